import type * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../errors.js';
import type { Sums } from '../op/reference.js';
import type { Pass, Scalars } from '../op/types.js';

/** Row-major values with their shape: what a reference is given. */
export interface Values {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** A call's tensors worth testing, by the op's input names; int32 inputs hold whole numbers. */
export interface OpSample {
  /** Of a test: what is special about it. */
  readonly title: string;
  readonly tensors: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>
  >;
  /** Those that are not the op's defaults. */
  readonly scalars?: Scalars;
}

/**
 * One of the transformer's other fused ops: one kernel forward, one backward, on every host; a composition of tf ops
 * elsewhere. Forward takes `inputs` and gives `outputs`; backward takes `kept`, then the gradient `d<name>` of each of
 * `differentiable`, and gives `d<name>` of each of `gradients`.
 */
export interface TransformerOp {
  /** One lowercase word; the C functions are `pc_<name>_forward` and `pc_<name>_backward`. */
  readonly name: string;
  /** The tfjs kernel; its gradient's is this with `Grad` behind it. */
  readonly kernelName: string;
  /** In the order of the C argument block. */
  readonly inputs: readonly string[];
  /** The inputs that are int32, and have no gradient. */
  readonly integers: readonly string[];
  /** The result first; what backward needs behind it. */
  readonly outputs: readonly string[];
  /** The outputs whose gradients backward is given: the first ones. */
  readonly differentiable: readonly string[];
  /** What backward takes, of inputs and outputs. */
  readonly kept: readonly string[];
  /** The inputs that backward gives gradients of, in the order of the C argument block. */
  readonly gradients: readonly string[];
  /** With their defaults. */
  readonly scalars: Scalars;
  readonly reference: {
    /** Every output. */
    forward(tensors: Readonly<Record<string, Values>>, scalars: Scalars): Sums[];
    /** The gradients, from all inputs and the gradients of the `differentiable` outputs. */
    backward(
      tensors: Readonly<Record<string, Values>>,
      upstream: readonly Float64Array[],
      scalars: Scalars,
    ): Sums[];
  };
  /** The op out of tf ops, with their gradients: every output. */
  readonly composed: (inputs: readonly tf.Tensor[], scalars: Scalars) => tf.Tensor[];
  /**
   * The gradients out of tf ops, from what `kept` and the upstream gradients are; by tfjs from `composed`, if there is
   * none, for which all inputs must be kept.
   */
  readonly composedGradients?: (
    kept: readonly tf.Tensor[],
    upstream: readonly tf.Tensor[],
    scalars: Scalars,
  ) => tf.Tensor[];
  /** Calls worth testing: odd sizes, none, values that are huge. */
  samples(): readonly OpSample[];
}

/** An op's two passes, as the hosts register them. */
export function passesOf(op: TransformerOp): [forward: Pass, backward: Pass] {
  const shared = {
    scalars: Object.keys(op.scalars),
    defaults: op.scalars,
    packed: false,
    integers: op.integers,
  };
  const upstream = op.differentiable.map((name) => `d${name}`);
  return [
    {
      ...shared,
      native: `${op.name}_forward`,
      kernelName: op.kernelName,
      inputs: op.inputs,
      outputs: op.outputs,
    },
    {
      ...shared,
      native: `${op.name}_backward`,
      kernelName: `${op.kernelName}Grad`,
      inputs: [...op.kept, ...upstream],
      outputs: op.gradients.map((name) => `d${name}`),
    },
  ];
}

/** What an op's backward pass takes of its inputs and outputs, which are in the op's order. */
export function keptOf<T>(op: TransformerOp, inputs: readonly T[], outputs: readonly T[]): T[] {
  return op.kept.map((name) => {
    const found = inputs[op.inputs.indexOf(name)] ?? outputs[op.outputs.indexOf(name)];
    if (found !== undefined) return found;
    throw new PolycomError('INTERNAL', `${op.name} keeps '${name}', which is no input or output of it`);
  });
}
