/** Operations of an activation on one element of the hidden width; each kind counts as one. */
export interface Operations {
  readonly add: number;
  readonly multiply: number;
  /** Maxima, and comparisons with 0. */
  readonly compare: number;
  /** Divisions, exponentials and error functions: one each here, many cycles on any machine. */
  readonly special: number;
}

interface Count {
  /** The formula as it is written, each power and product formed once. */
  readonly written: Operations;
  /** What this package's kernels do (native/math): Horner's rule, and coefficients folded with the norms. */
  readonly fused: Operations;
}

const ops = (add: number, multiply: number, compare = 0, special = 0): Operations => ({
  add,
  multiply,
  compare,
  special,
});
const same = (operations: Operations): Count => ({ written: operations, fused: operations });

/** Of order 3, forward. What a row needs once (three roots of PolyNorm) is not an element's. */
const COUNTS: Readonly<Record<string, Count>> = {
  relu: same(ops(0, 0, 1)),
  relu2: same(ops(0, 1, 1)),
  gelu: same(ops(1, 3, 0, 1)), // x · ½ · (1 + erf(x / √2))
  silu: same(ops(1, 1, 0, 2)), // x / (1 + exp(-x))
  // s = max(x, 0); s², s³; three coefficients; three sums
  polyrelu: { written: ops(3, 5, 1), fused: ops(3, 3, 1) },
  // x², x³; three squares and their sums; three norms; three coefficients; three sums. Fused: x², x⁴, x⁶ and their sums,
  // then a polynomial.
  polynorm: { written: ops(6, 11), fused: ops(6, 6) },
};

/** By gated activation: what its gate goes through. */
const INNER: Readonly<Record<string, string>> = {
  reglu: 'relu',
  geglu: 'gelu',
  swiglu: 'silu',
  polyreluglu: 'polyrelu',
  polynormglu: 'polynorm',
};

/** Arithmetic of one activation and of the network it stands in, for a token, forward. */
export interface FlopsRow {
  readonly activation: string;
  readonly written: Operations;
  readonly fused: Operations;
  /** All of `written`, and of `fused`. */
  readonly perElement: number;
  readonly perElementFused: number;
  /** The width of the model and of the network. */
  readonly width: number;
  readonly hidden: number;
  /** Of the network's matrices: 2 · width · hidden for each. */
  readonly networkFlops: number;
  readonly activationFlops: number;
  /** activationFlops / networkFlops. */
  readonly share: number;
  /** share · width, which depends on no size. */
  readonly shareTimesWidth: number;
}

/**
 * The arithmetic of activations at equal parameters: 4 · width hidden units, of a gated one two thirds of that.
 *
 * @param names of the activations that are counted, in the table; others are left out
 */
export function flopsRows(names: readonly string[], width: number): FlopsRow[] {
  return names.flatMap((activation) => {
    const count = countOf(activation);
    if (count === undefined) return [];
    const gated = INNER[activation] !== undefined;
    const hidden = gated ? (8 * width) / 3 : 4 * width;
    const networkFlops = 2 * width * hidden * (gated ? 3 : 2);
    const [perElement, perElementFused] = [total(count.written), total(count.fused)];
    const activationFlops = perElement * hidden;
    const share = activationFlops / networkFlops;
    return [
      {
        activation,
        written: count.written,
        fused: count.fused,
        perElement,
        perElementFused,
        width,
        hidden,
        networkFlops,
        activationFlops,
        share,
        shareTimesWidth: share * width,
      },
    ];
  });
}

function countOf(name: string): Count | undefined {
  const inner = INNER[name];
  if (inner === undefined) return COUNTS[name];
  const { written, fused } = COUNTS[inner]!;
  return {
    written: { ...written, multiply: written.multiply + 1 },
    fused: { ...fused, multiply: fused.multiply + 1 },
  };
}

function total({ add, multiply, compare, special }: Operations): number {
  return add + multiply + compare + special;
}
