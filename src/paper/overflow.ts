import { activations } from '../activations/table.js';
import { decode, encode, type HalfDtype, rounded } from '../native/dtype.js';
import { findNative } from '../native/library.js';
import type { Queue } from '../native/queue.js';
import { isMatrix, referenceInputs, type Sample, sampleOf, scalarValues, shapeOf } from '../op/sample.js';
import { type FusedOp, forwardPass } from '../op/types.js';
import type { OverflowRow } from './types.js';

const ROWS = 8;
const COLS = 512;
const SIGMAS = [0.1, 0.3, 1, 3, 6.35, 10, 20, 40];
const ORDERS = [1, 2, 3, 4];
/** Epsilon of PolyNorm in the official code. */
const EPSILON = scalarValues('epsilon')[0]!;

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

const EAGER: Readonly<Record<string, Eager>> = { polynorm: eagerPolyNorm, polyrelu: eagerPolyReLU };

/**
 * What becomes of the polynomial activations in 16-bit storage, by order and by the size of their inputs: with each
 * operation rounded, and in this package's kernels (arithmetic in f32), where the native library is at hand. Needs no
 * training.
 */
export function measureOverflow(): OverflowRow[] {
  const native = findNative();
  const queue = native.found ? native.createQueue({ threads: 1 }) : undefined;
  try {
    return Object.keys(EAGER).flatMap((activation) =>
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
  const op = activations.find(({ name }) => name === activation)!;
  const sample = paperSample(op, order, dtype, sigma);
  const exact = op.reference.forward(referenceInputs(sample)).value;
  const x = sample.tensors.x!;
  const round: Round = (value) => rounded(value, dtype);
  const eager = Array.from({ length: ROWS }, (_, row) =>
    EAGER[activation]!(x.subarray(row * COLS, (row + 1) * COLS), order, round),
  ).flat();
  const row = { activation, order, dtype, sigma };
  return [
    { ...row, method: 'eager', ...errorOf(eager, exact) },
    ...(queue === undefined
      ? []
      : [{ ...row, method: 'fused' as const, ...errorOf(fused(op, sample, dtype, queue), exact) }]),
  ];
}

/** Normal input with the coefficients that training begins with. */
function paperSample(op: FusedOp, order: number, dtype: HalfDtype, sigma: number): Sample {
  const sample = sampleOf(op, ROWS, COLS, { scale: sigma, order, dtype });
  const weight = new Float32Array(order).fill(1 / order);
  return { ...sample, tensors: { ...sample.tensors, weight, bias: new Float32Array(1) } };
}

function fused(op: FusedOp, sample: Sample, dtype: HalfDtype, queue: Queue): Float32Array {
  const inputs = op.inputs.map((name) => {
    const values = sample.tensors[name]!;
    const shape = shapeOf(name, sample);
    if (!isMatrix(name)) return { data: values, dtype: 'f32' as const, shape };
    const data = new Uint16Array(values.length);
    encode(values, dtype, data);
    return { data, dtype, shape };
  });
  const scalars = op.scalars.map((name) => sample.scalars[name]!);
  const y = { data: new Uint16Array(ROWS * COLS), dtype, shape: [ROWS, COLS] };
  queue.call(forwardPass(op).native, { inputs, scalars, outputs: [y] });
  return decode(y.data, dtype);
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
