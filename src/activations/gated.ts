import * as tf from '@tensorflow/tfjs-core';
import { asTensor, type Input, invalid } from '../op/check.js';
import { gated, packed } from '../op/gated.js';
import { scalarsFrom } from '../op/options.js';
import { runOp } from '../op/run.js';
import type { Op } from '../op/types.js';
import { coefficientTensors } from './coefficients.js';
import { type GeluOptions, geluRow } from './gelu.js';
import { type PolyNormOptions, polynormRow } from './polynorm.js';
import { polyreluRow } from './polyrelu.js';
import { reluRow } from './relu.js';

const GLU = 'arXiv 2002.05202';

/** The table's rows of the gated forms, y = f(gate) · up (Shazeer 2020, arXiv 2002.05202). */
export const reGluRow: Op<'reglu'> = gated(reluRow, {
  name: 'reglu',
  kernelName: 'ReGlu',
  label: 'ReGLU',
  source: GLU,
});
export const geGluRow: Op<'geglu'> = gated(geluRow, {
  name: 'geglu',
  kernelName: 'GeGlu',
  label: 'GEGLU',
  source: GLU,
});
export const polynormGluRow: Op<'polynormglu'> = gated(polynormRow, {
  name: 'polynormglu',
  kernelName: 'PolyNormGlu',
  label: 'PolyNormGLU',
  source: 'arXiv 2508.09148',
});
export const polyreluGluRow: Op<'polyreluglu'> = gated(polyreluRow, {
  name: 'polyreluglu',
  kernelName: 'PolyReluGlu',
  label: 'PolyReLUGLU',
  source: 'arXiv 2411.03884',
});

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
  return runGated<T>('reGlu', reGluRow, x, {});
}

/**
 * GEGLU: y = GELU(gate) · up.
 *
 * @returns a tensor of the gate's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, shapes that differ, or a packed axis of odd length
 */
export function geGlu<T extends tf.Tensor>(x: Gated, options: GeluOptions = {}): T {
  return runGated<T>('geGlu', geGluRow, x, options);
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
  return runGated<T>('polyNormGlu', polynormGluRow, x, options, [weight, bias]);
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
  return runGated<T>('polyReluGlu', polyreluGluRow, x, {}, [weight, bias]);
}

/** Runs a gated row on two tensors, or on one that holds both. */
export function runGated<T extends tf.Tensor>(
  op: string,
  row: Op,
  x: Gated,
  options: object,
  coefficients?: readonly [weight: Input, bias: Input],
): T {
  const scalars = scalarsFrom(op, row, options);
  return tf.tidy(op, () => {
    const tensors = isPair(x)
      ? { gate: asTensor(op, 'gate', x.gate), up: asTensor(op, 'up', x.up) }
      : { packed: asTensor(op, 'packed', x) };
    checkShapes(op, tensors);
    const more = coefficients === undefined ? [] : coefficientTensors(op, ...coefficients, tensors);
    return runOp<T>(isPair(x) ? row : packed(row), [...Object.values(tensors), ...more], scalars);
  });
}

function isPair(x: Gated): x is { readonly gate: Input; readonly up: Input } {
  return typeof x === 'object' && x !== null && 'gate' in x && 'up' in x;
}

function checkShapes(op: string, tensors: Readonly<Record<string, tf.Tensor>>): void {
  const { gate, up, packed: both } = tensors;
  for (const [name, { rank }] of Object.entries(tensors)) {
    if (rank === 0) throw invalid(op, `${name} is a scalar; expected rank 1 or more`, tensors);
  }
  if (both !== undefined && both.shape.at(-1)! % 2 !== 0) {
    throw invalid(op, 'the last axis of packed has odd length; expected [gate | up]', tensors);
  }
  if (gate !== undefined && !tf.util.arraysEqual(gate.shape, up!.shape)) {
    throw invalid(op, 'gate and up have different shapes', tensors);
  }
}
