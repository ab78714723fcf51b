import * as tf from '@tensorflow/tfjs-core';
import { MAX_ORDER } from '../activations/coefficients.js';
import { composedPowers, type PolyNormOptions, polynormRow } from '../activations/polynorm.js';
import { checkField, type Field } from '../common/fields.js';
import { checkNames, type Names } from '../common/options.js';
import { asIntegers, asTensor, type Input, invalid } from '../op/check.js';
import { fieldOf, scalarsFrom } from '../op/options.js';
import { runOp } from '../op/run.js';
import type { Op, Scalars } from '../op/types.js';
import { groupedBackward, groupedForward } from './groupedpolynorm-reference.js';
import { groupedSamples } from './groupedpolynorm-samples.js';

const PARAMETERS: Op['parameters'] = {
  weight: { shape: ['groups', 'order'], first: '1 / order' },
  bias: { shape: ['groups'], first: 0 },
  shift: { shape: ['cols'], first: 0 },
};
const SCALARS: Op['scalars'] = {
  ...polynormRow.scalars,
  input_clamp: { default: 0, also: [0.8], range: 'not negative' },
  bias_clamp: { default: 0, also: [0.3], range: 'not negative' },
  output_scale: { default: 1, also: [0.5] },
};

/** The op out of tf ops, of an op's tensors by its names of them. */
function composed(tensors: Readonly<Record<string, tf.Tensor>>, scalars: Scalars): tf.Tensor {
  const { x, up, weight, bias, offsets, shift } = tensors;
  const [groups, order] = weight!.shape as [number, number];
  if (x!.size === 0 || groups === 0) return tf.zeros(x!.shape);
  const cols = x!.shape.at(-1)!;
  const rows = x!.size / cols;
  const { group, inside } = groupsOf(offsets!, rows, groups);
  const members = tf.broadcastTo(tf.reshape(inside, [rows, 1]), [rows, cols]);
  const kept = (values: tf.Tensor): tf.Tensor => chosen(members, tf.reshape(values, [rows, cols]));
  const shifted = shift!.size === 0 ? kept(x!) : tf.add(kept(x!), shift!);
  const powers = composedPowers(clamped(shifted, scalars.input_clamp!), order, scalars);
  const weights = columnsOf(tf.gather(weight!, group), order).reverse();
  const biases = tf.reshape(tf.gather(clamped(bias!, scalars.bias_clamp!), group), [rows, 1]);
  const terms = powers.map((power, i) => tf.mul(power, weights[i]!));
  const y = tf.mul(
    terms.reduce((sum, term) => tf.add(sum, term), biases),
    scalars.output_scale!,
  );
  return tf.reshape(kept(up === undefined ? y : tf.mul(y, kept(up))), x!.shape);
}

/** The values where a condition holds, else 0. tf.where's own gradient multiplies, and lets NaN through. */
function chosen(condition: tf.Tensor, values: tf.Tensor): tf.Tensor {
  const choose = (of: tf.Tensor, all: tf.Tensor): tf.Tensor => tf.where(of, all, tf.zeros(all.shape));
  const op = tf.customGrad((...given) => {
    const [all, save] = given as unknown as [tf.Tensor, tf.GradSaveFunc];
    save([condition]);
    return {
      value: choose(condition, all),
      gradFunc: (upstream: tf.Tensor, [of]: tf.Tensor[]) => choose(of!, upstream),
    };
  });
  return op(values);
}

/** Each row's group, any for a row of none, and whether it has one. */
function groupsOf(offsets: tf.Tensor, rows: number, groups: number) {
  if (offsets.size === 0)
    return { group: tf.zeros([rows], 'int32') as tf.Tensor1D, inside: tf.ones([rows], 'bool') };
  const row = tf.reshape(tf.range(0, rows, 1, 'int32'), [rows, 1]);
  const begun = tf.sum(tf.cast(tf.lessEqual(tf.reshape(offsets, [1, groups + 1]), row), 'int32'), 1);
  return {
    group: tf.clipByValue(tf.sub(begun, 1), 0, groups - 1).toInt() as tf.Tensor1D,
    inside: tf.logicalAnd(tf.greater(begun, 0), tf.lessEqual(begun, groups)),
  };
}

/** [rows, 1] each. The copy: the array of a split is the tape's record, and must keep its order. */
function columnsOf(values: tf.Tensor, count: number): tf.Tensor[] {
  return count === 1 ? [values] : [...tf.split(values, count, 1)]; // split's gradient fails for a single part
}

function clamped(values: tf.Tensor, clamp: number): tf.Tensor {
  return clamp === 0 ? values : tf.clipByValue(values, -clamp, clamp);
}

function rowOf<Name extends string>(name: Name, kernelName: string, label: string, gated: boolean): Op<Name> {
  const matrices = gated ? ['x', 'up'] : ['x'];
  const inputs = [...matrices, 'weight', 'bias', 'offsets', 'shift'];
  return {
    name,
    kernelName,
    label,
    source: 'arXiv 2511.07464',
    inputs,
    integers: ['offsets'],
    outputs: ['y'],
    differentiable: ['y'],
    kept: inputs,
    gradients: inputs.filter((input) => input !== 'offsets'),
    parameters: PARAMETERS,
    scalars: SCALARS,
    storage: 'any',
    reference: {
      forward: (tensors, scalars) => [groupedForward(tensors, scalars)],
      backward: (tensors, [dy], scalars) => groupedBackward(tensors, dy!, scalars),
    },
    composed: (tensors, scalars) => [
      composed(Object.fromEntries(inputs.map((input, i) => [input, tensors[i]!])), scalars),
    ],
    samples: () => groupedSamples(gated),
  };
}

/** The row of PolyNorm by groups of rows. */
export const groupedpolynormOp: Op<'groupedpolynorm'> = rowOf(
  'groupedpolynorm',
  'GroupedPolyNorm',
  'PolyNorm by groups',
  false,
);

/** The row of its gated form. */
export const groupedpolynormgluOp: Op<'groupedpolynormglu'> = rowOf(
  'groupedpolynormglu',
  'GroupedPolyNormGlu',
  'PolyNormGLU by groups',
  true,
);

/** What {@link groupedPolyNorm} may be told. */
export interface GroupedPolyNormOptions extends PolyNormOptions {
  /** float32 [cols]: added to x before all else. It has a gradient. */
  readonly shift?: Input;
  /** x, with its shift, is clamped to ± this; its gradient is 0 outside. Not clamped by default. */
  readonly inputClamp?: number;
  /** Each bias is clamped to ± this; its gradient is 0 outside. Not clamped by default. */
  readonly biasClamp?: number;
  /** What y is multiplied by: 1 by default. */
  readonly outputScale?: number;
}

const OPTIONS: Names<GroupedPolyNormOptions> = {
  epsilon: true,
  norm: true,
  shift: true,
  inputClamp: true,
  biasClamp: true,
  outputScale: true,
};

/**
 * PolyNorm of a mixture's experts, each with coefficients of its own, and with the clamps and the scale of Motif 3:
 * y = outputScale (b + Σ_p w_p v^p / sqrt(mean(v^2p) + ε)), v = x + shift. One fused kernel forward and one backward
 * where the backend has it, and no copy of the rows.
 *
 * @param x float32 [..., cols]: the leading axes are the rows, sorted by group
 * @param weight float32 [groups, order], order 1 to 4, highest power first
 * @param bias float32 [groups]
 * @param offsets int32 [groups + 1]: rows offsets[g] to offsets[g + 1] - 1 are group g's, so that they rise from 0 or
 *   more to at most the rows; `null`: there is one group, which has all. Rows before the first group or behind the last
 *   are padding: 0 in y and in every gradient
 * @returns a tensor of x's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for shapes, dtypes or options that do not fit
 * @throws {Error} of the backend's for offsets that do not rise, where it runs on the CPU; on a GPU y is NaN
 */
export function groupedPolyNorm<T extends tf.Tensor>(
  x: T | tf.TensorLike,
  weight: Input,
  bias: Input,
  offsets: Input | null,
  options: GroupedPolyNormOptions = {},
): T {
  return run(groupedpolynormOp, 'groupedPolyNorm', { x }, weight, bias, offsets, options);
}

/**
 * {@link groupedPolyNorm} times `up`: the gated experts' activation.
 *
 * @param gate float32 [..., cols], as x there
 * @param up float32, of gate's shape
 */
export function groupedPolyNormGlu<T extends tf.Tensor>(
  gate: T | tf.TensorLike,
  up: Input,
  weight: Input,
  bias: Input,
  offsets: Input | null,
  options: GroupedPolyNormOptions = {},
): T {
  return run(groupedpolynormgluOp, 'groupedPolyNormGlu', { x: gate, up }, weight, bias, offsets, options);
}

function run<T extends tf.Tensor>(
  op: Op,
  name: string,
  matrices: Readonly<Record<string, Input>>,
  weight: Input,
  bias: Input,
  offsets: Input | null,
  options: GroupedPolyNormOptions,
): T {
  const scalars = scalarsOf(name, options);
  return tf.tidy(name, () => {
    const rows = Object.entries(matrices).map(([key, value]) => [key, asTensor(name, key, value)] as const);
    const tensors: Record<string, tf.Tensor> = {
      ...Object.fromEntries(rows),
      weight: asTensor(name, 'weight', weight),
      bias: asTensor(name, 'bias', bias),
      offsets: offsets === null ? tf.zeros([0], 'int32') : asIntegers(name, 'offsets', offsets),
      shift: options.shift === undefined ? tf.zeros([0]) : asTensor(name, 'shift', options.shift),
    };
    checkShapes(name, tensors, offsets === null, options.shift === undefined);
    return runOp<T>(
      op,
      op.inputs.map((input) => tensors[input]!),
      scalars,
    );
  });
}

function checkShapes(
  op: string,
  tensors: Readonly<Record<string, tf.Tensor>>,
  single: boolean,
  unshifted: boolean,
): void {
  const { x, up, weight, bias, offsets, shift } = tensors;
  const cols = x!.shape.at(-1);
  if (cols === undefined) throw invalid(op, 'x is a scalar; expected rank 1 or more', { x: x! });
  if (up !== undefined && !tf.util.arraysEqual(up.shape, x!.shape))
    throw invalid(op, 'up must have the shape of the gate', { gate: x!, up });
  const [groups = 0, order = 0] = weight!.shape;
  if (weight!.rank !== 2 || order < 1 || order > MAX_ORDER || bias!.rank !== 1 || bias!.size !== groups)
    throw invalid(op, `weight must be [groups, order], order 1 to ${MAX_ORDER}, bias [groups]`, tensors);
  if (single ? groups !== 1 : offsets!.rank !== 1 || offsets!.size !== groups + 1)
    throw invalid(op, 'offsets must be [groups + 1], or null for one group', tensors);
  if (!unshifted && (shift!.rank !== 1 || shift!.size !== cols))
    throw invalid(op, 'shift must be [cols], x [..., cols]', tensors);
}

function scalarsOf(op: string, options: GroupedPolyNormOptions): Scalars {
  checkNames(op, options, OPTIONS);
  const { shift: _, inputClamp, biasClamp, outputScale = SCALARS.output_scale!.default, ...norm } = options;
  checkField(op, 'inputClamp', inputClamp, CLAMP);
  checkField(op, 'biasClamp', biasClamp, CLAMP);
  checkField(op, 'outputScale', outputScale, fieldOf(SCALARS.output_scale!));
  return {
    ...scalarsFrom(op, polynormRow, norm),
    input_clamp: inputClamp ?? 0,
    bias_clamp: biasClamp ?? 0,
    output_scale: outputScale,
  };
}

const ABOVE_0 = fieldOf({ default: 0, range: 'positive' });
const CLAMP: Field = {
  expected: `${ABOVE_0.expected}, or none for no clamp`,
  holds: (value) => value === undefined || ABOVE_0.holds(value),
};
