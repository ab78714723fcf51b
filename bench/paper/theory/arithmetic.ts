import { type Algebra, CUBE, SQUARE } from './network.js';

/** Products and powers out of units, exact or approximate. Bounds are of absolute values, and matter to ReLU only. */
export interface Arithmetic<T> {
  square(x: T, bound: number): T;
  cube(x: T, bound: number): T;
  product(a: T, b: T, boundA: number, boundB: number): T;
}

/** With PolyReLU they are exact: x² = s(x)² + s(-x)², x³ = s(x)³ - s(-x)³, a b = ((a + b)² - (a - b)²) / 4. */
export function exactArithmetic<T>(algebra: Algebra<T>): Arithmetic<T> {
  const signed = (x: T, weight: readonly number[]): readonly [T, T] => [
    algebra.unit(x, weight),
    algebra.unit(algebra.affine([[-1, x]]), weight),
  ];
  const square = (x: T): T => {
    const [plus, minus] = signed(x, SQUARE);
    return algebra.affine([
      [1, plus],
      [1, minus],
    ]);
  };
  return {
    square,
    cube(x) {
      const [plus, minus] = signed(x, CUBE);
      return algebra.affine([
        [1, plus],
        [-1, minus],
      ]);
    },
    product(a, b) {
      const [sum, difference] = halves(algebra, a, b);
      return algebra.affine([
        [1, square(sum)],
        [-1, square(difference)],
      ]);
    },
  };
}

/**
 * With ReLU they are approximate (Yarotsky 2017, arXiv 1610.01145): x² on [-1, 1] is |x| less m sawtooth functions,
 * x² ≈ |x| - Σ_s g_s(|x|) / 4^s, which is its interpolation at multiples of 2^-m, so that the error is exactly 2^(-2m-2).
 *
 * @param teeth m: how many sawtooth functions a square takes
 */
export function reluArithmetic<T>(algebra: Algebra<T>, teeth: number): Arithmetic<T> {
  const unitSquare = (x: T): T => {
    let saw = algebra.affine([
      [1, algebra.unit(x)],
      [1, algebra.unit(algebra.affine([[-1, x]]))],
    ]);
    const terms: (readonly [number, T])[] = [[1, saw]];
    for (let s = 1; s <= teeth; ++s) {
      // g(t) = 2 t up to 1/2, 2 - 2 t from there. The first t is made of units already: none is needed to carry it.
      const carried = s === 1 ? saw : algebra.unit(saw);
      saw = algebra.affine([
        [2, carried],
        [-4, algebra.unit(algebra.affine([[1, saw]], -0.5))],
      ]);
      terms.push([-(4 ** -s), saw]);
    }
    return algebra.affine(terms);
  };
  const arithmetic: Arithmetic<T> = {
    square: (x, bound) => algebra.affine([[bound ** 2, unitSquare(algebra.affine([[1 / bound, x]]))]]),
    cube: (x, bound) => arithmetic.product(x, arithmetic.square(x, bound), bound, bound ** 2),
    product(a, b, boundA, boundB) {
      const [sum, difference] = halves(
        algebra,
        algebra.affine([[1 / boundA, a]]),
        algebra.affine([[1 / boundB, b]]),
      );
      // Both squares err upwards by at most 2^(-2m-2), so their difference does not err by more.
      return algebra.affine([
        [boundA * boundB, unitSquare(sum)],
        [-boundA * boundB, unitSquare(difference)],
      ]);
    },
  };
  return arithmetic;
}

/** (a + b) / 2 and (a - b) / 2, whose squares differ by a b. */
function halves<T>(algebra: Algebra<T>, a: T, b: T): readonly [T, T] {
  return [
    algebra.affine([
      [0.5, a],
      [0.5, b],
    ]),
    algebra.affine([
      [0.5, a],
      [-0.5, b],
    ]),
  ];
}
