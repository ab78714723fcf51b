import { type ActivationReference, referenceOf } from 'polycom';
import { decodeHalves, encodeHalves, findNative, type HalfDtype, type Queue, rounded } from 'polycom/native';
import type { OverflowRow } from '../types.js';
import { normals } from './normals.js';

const ROWS = 8;
const COLS = 512;
const SIGMAS = [0.1, 0.3, 1, 3, 6.35, 10, 20, 40];
const ORDERS = [1, 2, 3, 4];
/** Epsilon of PolyNorm in the official code. */
const EPSILON = 1e-6;

type Round = (value: number) => number;

/**
 * A row as frameworks run it without a kernel of its own: each operation's result is stored in 16 bits. An operation
 * itself (a power, the mean of a row) is computed in f32, as PyTorch does.
 */
type Eager = (x: Float32Array, order: number, round: Round) => number[];

/** PolyNorm as the official code writes it: u = x^p; u · rsqrt(mean(u²) + ε); weighted and summed. */
const eagerPolyNorm: Eager = (x, order, round) => {
  const y = new Array<number>(x.length).fill(0);
  const weight = round(1 / order);
  for (let p = order; p >= 1; --p) {
    const u = Array.from(x, (value) => round(value ** p));
    const mean = round(u.reduce((sum, value) => sum + round(value * value), 0) / x.length);
    const r = round(1 / Math.sqrt(round(mean + EPSILON)));
    for (const [j, value] of u.entries()) y[j] = round(y[j]! + round(weight * round(value * r)));
  }
  return y;
};

/** PolyReLU: s = max(x, 0); weighted powers of s, summed. */
const eagerPolyReLU: Eager = (x, order, round) => {
  const weight = round(1 / order);
  return Array.from(x, (value) => {
    let y = 0;
    for (let p = order; p >= 1; --p) y = round(y + round(weight * round(Math.max(value, 0) ** p)));
    return y;
  });
};

/** The activations that are measured, with the scalars of their kernels: of PolyNorm ε, and 0 for the RMS norm. */
const MEASURED: Readonly<Record<string, { readonly eager: Eager; readonly scalars: readonly number[] }>> = {
  polynorm: { eager: eagerPolyNorm, scalars: [EPSILON, 0] },
  polyrelu: { eager: eagerPolyReLU, scalars: [] },
};

/**
 * What becomes of the polynomial activations in 16-bit storage, by order and by the size of their inputs: with each
 * operation rounded, and in this package's kernels (arithmetic in f32), where the native library is at hand. Needs no
 * training.
 */
export function measureOverflow(): OverflowRow[] {
  const native = findNative();
  const queue = native.found ? native.createQueue({ threads: 1 }) : undefined;
  try {
    return Object.keys(MEASURED).flatMap((activation) =>
      ORDERS.flatMap((order) =>
        (['f16', 'bf16'] as const).flatMap((dtype) =>
          SIGMAS.flatMap((sigma) => rowsOf(activation, order, dtype, sigma, queue)),
        ),
      ),
    );
  } finally {
    queue?.dispose();
  }
}

function rowsOf(
  activation: string,
  order: number,
  dtype: HalfDtype,
  sigma: number,
  queue: Queue | undefined,
): OverflowRow[] {
  const { eager, scalars } = MEASURED[activation]!;
  const x = normals(ROWS * COLS, 1, sigma).map((value) => rounded(value, dtype));
  const weight = new Float32Array(order).fill(1 / order);
  const exact = exactOf(referenceOf(activation), x, weight);
  const found = Array.from({ length: ROWS }, (_, row) =>
    eager(x.subarray(row * COLS, (row + 1) * COLS), order, (value) => rounded(value, dtype)),
  ).flat();
  const row = { activation, order, dtype, sigma };
  const rows: OverflowRow[] = [{ ...row, method: 'eager', ...errorOf(found, exact) }];
  if (queue === undefined) return rows;
  const [input, output] = [encodeHalves(x, dtype), new Uint16Array(x.length)];
  queue.call(`${activation}_forward`, {
    inputs: [
      { data: input, dtype, shape: [ROWS, COLS] },
      { data: weight, shape: [order] },
      { data: new Float32Array(1), shape: [] },
    ],
    scalars,
    outputs: [{ data: output, dtype, shape: [ROWS, COLS] }],
  });
  return [...rows, { ...row, method: 'fused', ...errorOf(decodeHalves(output, dtype), exact) }];
}

function exactOf(reference: ActivationReference, x: Float32Array, weight: Float32Array): Float64Array {
  const tensors = { x: Float64Array.from(x), weight: Float64Array.from(weight), bias: new Float64Array(1) };
  return reference.forward(tensors, COLS);
}

function errorOf(
  found: ArrayLike<number>,
  exact: Float64Array,
): Pick<OverflowRow, 'nonFinite' | 'count' | 'error'> {
  let [nonFinite, square, total] = [0, 0, 0];
  for (const [i, right] of exact.entries()) {
    const value = found[i]!;
    if (!Number.isFinite(value)) {
      ++nonFinite;
      continue;
    }
    square += (value - right) ** 2;
    total += right ** 2;
  }
  const error = nonFinite < exact.length ? { error: Number(Math.sqrt(square / total).toPrecision(4)) } : {};
  return { nonFinite, count: exact.length, ...error };
}
