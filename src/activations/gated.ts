import * as tf from '@tensorflow/tfjs-core';
import { asTensor, type Input, invalid } from '../op/check.js';
import { gatedOp, packedOp } from '../op/gated.js';
import { runOp } from '../op/run.js';
import type { FusedOp, Scalars } from '../op/types.js';
import { coefficientTensors } from './coefficients.js';
import { type GeluOptions, geluRow, geluScalars } from './gelu.js';
import { type PolyNormOptions, polyNormScalars, polynormRow } from './polynorm.js';
import { polyreluRow } from './polyrelu.js';
import { reluRow } from './relu.js';
import { siluRow } from './silu.js';

/** The table's rows of the gated forms, y = f(gate) · up (Shazeer 2020, arXiv 2002.05202). */
export const reGluRow: FusedOp<'reglu'> = gatedOp(reluRow, 'reglu', 'ReGlu');
export const geGluRow: FusedOp<'geglu'> = gatedOp(geluRow, 'geglu', 'GeGlu');
export const swiGluRow: FusedOp<'swiglu'> = gatedOp(siluRow, 'swiglu', 'SwiGlu');
export const polynormGluRow: FusedOp<'polynormglu'> = gatedOp(polynormRow, 'polynormglu', 'PolyNormGlu');
export const polyreluGluRow: FusedOp<'polyreluglu'> = gatedOp(polyreluRow, 'polyreluglu', 'PolyReluGlu');

/**
 * What a gated op takes: two float32 tensors of one shape, or one that holds both, [gate | up] side by side on its
 * last axis, as one matrix product gives them.
 */
export type Gated = { readonly gate: Input; readonly up: Input } | Input;

/**
 * ReGLU: y = max(gate, 0) · up.
 *
 * @returns a tensor of the gate's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, shapes that differ, or a packed axis of odd length
 */
export function reGlu<T extends tf.Tensor>(x: Gated): T {
  return run<T>('reGlu', reGluRow, x, {});
}

/**
 * GEGLU: y = GELU(gate) · up.
 *
 * @returns a tensor of the gate's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, shapes that differ, or a packed axis of odd length
 */
export function geGlu<T extends tf.Tensor>(x: Gated, options: GeluOptions = {}): T {
  return run<T>('geGlu', geGluRow, x, geluScalars('geGlu', options));
}

/**
 * SwiGLU: y = SiLU(gate) · up.
 *
 * @returns a tensor of the gate's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, shapes that differ, or a packed axis of odd length
 */
export function swiGlu<T extends tf.Tensor>(x: Gated): T {
  return run<T>('swiGlu', swiGluRow, x, {});
}

/**
 * y = PolyNorm(gate) · up, the gated form of Motif's models.
 *
 * @param weight `[order]`, order 1 to 4, highest power first: [a_3, a_2, a_1]
 * @param bias a scalar
 * @returns a tensor of the gate's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, shapes that differ, or a packed axis of odd length
 */
export function polyNormGlu<T extends tf.Tensor>(
  x: Gated,
  weight: Input,
  bias: Input,
  options: PolyNormOptions = {},
): T {
  return run<T>('polyNormGlu', polynormGluRow, x, polyNormScalars('polyNormGlu', options), [weight, bias]);
}

/**
 * y = PolyReLU(gate) · up.
 *
 * @param weight `[order]`, order 1 to 4, highest power first: [a_3, a_2, a_1]
 * @param bias a scalar
 * @returns a tensor of the gate's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, shapes that differ, or a packed axis of odd length
 */
export function polyReluGlu<T extends tf.Tensor>(x: Gated, weight: Input, bias: Input): T {
  return run<T>('polyReluGlu', polyreluGluRow, x, {}, [weight, bias]);
}

/** The packed forms of the table's gated rows, by name. */
const packedRows = new Map<string, FusedOp>();

/** The packed form of a gated row. */
export function packedRow(row: FusedOp): FusedOp {
  let packed = packedRows.get(row.name);
  if (packed === undefined) {
    packed = packedOp(row);
    packedRows.set(row.name, packed);
  }
  return packed;
}

function run<T extends tf.Tensor>(
  op: string,
  row: FusedOp,
  x: Gated,
  scalars: Scalars,
  coefficients?: readonly [weight: Input, bias: Input],
): T {
  return tf.tidy(op, () => {
    const tensors = isPair(x)
      ? { gate: asTensor(op, 'gate', x.gate), up: asTensor(op, 'up', x.up) }
      : { packed: asTensor(op, 'packed', x) };
    checkShapes(op, tensors);
    const more = coefficients === undefined ? [] : coefficientTensors(op, ...coefficients, tensors);
    return runOp<T>(isPair(x) ? row : packedRow(row), [...Object.values(tensors), ...more], scalars);
  });
}

function isPair(x: Gated): x is { readonly gate: Input; readonly up: Input } {
  return typeof x === 'object' && x !== null && 'gate' in x && 'up' in x;
}

function checkShapes(op: string, tensors: Readonly<Record<string, tf.Tensor>>): void {
  const { gate, up, packed } = tensors;
  for (const [name, { rank }] of Object.entries(tensors)) {
    if (rank === 0) throw invalid(op, `${name} is a scalar; expected rank 1 or more`, tensors);
  }
  if (packed !== undefined && packed.shape.at(-1)! % 2 !== 0) {
    throw invalid(op, 'the last axis of packed has odd length; expected [gate | up]', tensors);
  }
  if (gate !== undefined && !tf.util.arraysEqual(gate.shape, up!.shape)) {
    throw invalid(op, 'gate and up have different shapes', tensors);
  }
}
