import type * as tf from '@tensorflow/tfjs-core';
import type { Sums } from './reference.js';
import { scalarValues } from './sample.js';

/** The numbers that a call of an op carries beside its tensors, by name: `{ epsilon: 1e-6 }`. */
export type Scalars = Readonly<Record<string, number>>;

/** Inputs of a reference: row-major values by name, and the length of the output's last axis. */
export interface ReferenceInputs {
  readonly cols: number;
  readonly scalars: Scalars;
  readonly tensors: Readonly<Record<string, Float64Array>>;
}

/** What an op is, in plain f64 TypeScript: the specification, and the oracle of every test. */
export interface Reference {
  forward(inputs: ReferenceInputs): Sums;
  /** The gradients of every input, in the order of the op's inputs. */
  backward(inputs: ReferenceInputs, dy: Float64Array): Sums[];
}

/**
 * A fused op: one kernel forward, one backward, on every host; a composition of tf ops elsewhere.
 * Forward takes `inputs` and gives y; backward takes `inputs` and dy and gives the gradient of each input.
 */
export interface FusedOp<Name extends string = string> {
  /** One lowercase word; the C functions are `pc_<name>_forward` and `pc_<name>_backward`. */
  readonly name: Name;
  /** The tfjs kernel; its gradient's is this with `Grad` behind it. */
  readonly kernelName: string;
  /** In the order of the C argument block. The first gives the output its shape. */
  readonly inputs: readonly string[];
  readonly scalars: readonly string[];
  /** Whether the first input is [gate | up], side by side on its last axis, which the C functions take as two views. */
  readonly packed?: boolean;
  readonly reference: Reference;
  /** The op out of tf ops, with their gradients. */
  readonly composed: (inputs: readonly tf.Tensor[], scalars: Scalars) => tf.Tensor;
}

/** One direction of an op, as C, TensorFlow and tfjs name it. */
export interface Pass {
  /** The C function without its prefix: `polynorm_backward`. */
  readonly native: string;
  /** The tfjs kernel: `PolyNormGrad`. */
  readonly kernelName: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly scalars: readonly string[];
  /** By the scalars' names: what costs a call nothing to leave as it is. */
  readonly defaults: Scalars;
  /** As the op's. */
  readonly packed: boolean;
  /** The inputs that hold int32; the others, and all outputs, are float32. */
  readonly integers: readonly string[];
  /** Whether the last input is any number of tensors; the kernel is then given all inputs as a plain array. */
  readonly list?: boolean;
}

function defaultsOf({ scalars }: FusedOp): Scalars {
  return Object.fromEntries(scalars.map((name) => [name, scalarValues(name)[0]!]));
}

export function forwardPass(op: FusedOp): Pass {
  return {
    native: `${op.name}_forward`,
    kernelName: op.kernelName,
    inputs: op.inputs,
    outputs: ['y'],
    scalars: op.scalars,
    defaults: defaultsOf(op),
    packed: op.packed ?? false,
    integers: [],
  };
}

export function backwardPass(op: FusedOp): Pass {
  return {
    native: `${op.name}_backward`,
    kernelName: `${op.kernelName}Grad`,
    inputs: [...op.inputs, 'dy'],
    outputs: op.inputs.map((input) => `d${input}`),
    scalars: op.scalars,
    defaults: defaultsOf(op),
    packed: op.packed ?? false,
    integers: [],
  };
}
