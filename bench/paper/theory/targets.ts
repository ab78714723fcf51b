/** A function on [0, 1]^d with its partial derivatives up to order n - 1, in the unit ball of W^{n,∞}. */
export interface Target {
  readonly name: string;
  /** @param orders how often by each variable; [0, 0] is the value */
  readonly derivative: (orders: readonly number[], point: readonly number[]) => number;
}

/** A function of one variable of period 1 / k, with the exact suprema of its derivatives. */
interface Wave {
  readonly name: string;
  readonly derivative: (order: number, x: number) => number;
  readonly supremum: (order: number) => number;
}

// Where in its period a wave begins: at no knot of any grid.
const PHASE = 0.1234;

/** sup |s_i| of the i-fold integral of a square wave of period 1: Favard's constants over (2π)^i. */
const SUPREMA = [1, 1 / 4, 1 / 32, 1 / 192];

/** The i-fold integral, of mean 0, of the square wave that is 1 on [0, 1/2) and -1 on [1/2, 1). */
export function integratedSquareWave(i: number, x: number): number {
  const t = x - Math.floor(x);
  if (t >= 0.5) return -integratedSquareWave(i, t - 0.5);
  if (i === 0) return 1;
  if (i === 1) return t - 1 / 4;
  if (i === 2) return t ** 2 / 2 - t / 4;
  return t ** 3 / 6 - t ** 2 / 8 + 1 / 192;
}

/** Euler's perfect spline: its n-th derivative is ±1 almost everywhere, and none beyond that exists. */
function spline(n: number, k: number, phase: number = PHASE): Wave {
  return {
    name: `spline ${k}`,
    derivative: (order, x) => integratedSquareWave(n - order, k * x + phase) / k ** (n - order),
    supremum: (order) => SUPREMA[n - order]! / k ** (n - order),
  };
}

function sine(k: number): Wave {
  const omega = 2 * Math.PI * k;
  return {
    name: `sine ${k}`,
    derivative: (order, x) => omega ** order * Math.sin(omega * x + PHASE + (order * Math.PI) / 2),
    supremum: (order) => omega ** order,
  };
}

/** Less than a sixth of a period: as large as the class lets a function be. */
const slow: Wave = {
  name: 'slow sine',
  derivative: (order, x) => Math.sin(x + 0.8 + (order * Math.PI) / 2),
  supremum: () => 1,
};

const constant: Wave = {
  name: '1',
  derivative: (order) => (order === 0 ? 1 : 0),
  supremum: (order) => (order === 0 ? 1 : 0),
};

/**
 * Targets for the rate of n and d: sines, and splines that are no smoother than the class, alone and as products; each over
 * the largest supremum of its partial derivatives up to order n, which puts it on the ball's border. The worst function of
 * the ball is another for every grid, and has its frequency: so some of the splines have.
 *
 * @param n 1, 2 or 3
 * @param cells of the grid, along each axis: an even number
 */
export function sobolevTargets(n: number, d: 1 | 2, cells: number): Target[] {
  const adverse = [0, 0.25, PHASE].map((phase) => ({
    ...spline(n, cells / 2, phase),
    name: `spline of half the cells, from ${phase}`,
  }));
  if (d === 1) {
    return [slow, sine(1), sine(4), spline(n, 1), spline(n, 4), ...adverse].map((wave) =>
      normalised(n, [wave]),
    );
  }
  const pairs: [Wave, Wave][] = [
    [slow, slow],
    [sine(1), sine(1)],
    [spline(n, 2), sine(1)],
    [adverse[0]!, constant],
    [constant, adverse[1]!],
    [adverse[1]!, adverse[2]!],
  ];
  return pairs.map((pair) => normalised(n, pair));
}

function normalised(n: number, waves: readonly Wave[]): Target {
  let norm = 0;
  for (const orders of ordersUpTo(n, waves.length)) {
    norm = Math.max(
      norm,
      product(waves, (wave, i) => wave.supremum(orders[i]!)),
    );
  }
  return {
    name: waves.map(({ name }) => name).join(' × '),
    derivative: (orders, point) => product(waves, (wave, i) => wave.derivative(orders[i]!, point[i]!)) / norm,
  };
}

/** The orders of the partial derivatives of a total order up to n. */
export function ordersUpTo(n: number, d: number): number[][] {
  if (d === 1) return Array.from({ length: n + 1 }, (_, i) => [i]);
  return Array.from({ length: n + 1 }, (_, i) => ordersUpTo(n - i, d - 1).map((rest) => [i, ...rest])).flat();
}

function product(waves: readonly Wave[], f: (wave: Wave, i: number) => number): number {
  return waves.reduce((value, wave, i) => value * f(wave, i), 1);
}
