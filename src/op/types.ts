import type * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../common/errors.js';
import { memoized } from '../common/objects.js';
import type { Dtype } from '../native/types.js';
import type { Sums } from './sums.js';

/** The numbers that a call of an op carries beside its tensors, by name: `{ epsilon: 1e-6 }`. */
export type Scalars = Readonly<Record<string, number>>;

/** The numbers that a scalar may be, all finite in f32: in words, or those from one to another. */
export type Range = 'finite' | 'not negative' | 'positive' | readonly [least: number, most: number];

/** A number that a call carries beside its tensors. */
export interface Scalar {
  /** Its value where a call says none, on every host. */
  readonly default: number;
  /** `finite` by default. */
  readonly range?: Range;
  /** The texts that public functions take instead of the number, which is the text's index. */
  readonly choices?: readonly string[];
  /** Further values worth testing. */
  readonly also?: readonly number[];
}

/** An axis of a parameter: a fixed length, or a length that the call decides. */
export type Size = number | 'order' | 'cols' | 'rows' | 'groups';

/** A learned input. */
export interface Parameter {
  readonly shape: readonly Size[];
  /** The value of every element when training begins; `random` where a model draws them. */
  readonly first: number | '1 / order' | 'random';
  /** The elements in samples of activations, as many as the shape has; normal ones by default. */
  readonly tried?: readonly number[];
}

/** Row-major values with their shape: an input of a reference. */
export interface Values {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** The inputs of a reference, by name. */
export type ValuesByName = Readonly<Record<string, Values>>;

/** An op in plain f64 TypeScript: the specification, and the oracle of every test. */
export interface Reference {
  /** Every output. `dtype`: of the matrices, for what is read back as it was stored; f32 by default. */
  forward(tensors: ValuesByName, scalars: Scalars, dtype?: Dtype): Sums[];
  /** The gradients, from all inputs and the gradients of the `differentiable` outputs. */
  backward(tensors: ValuesByName, upstream: readonly Float64Array[], scalars: Scalars, dtype?: Dtype): Sums[];
}

/** A call worth testing. */
export interface Sample {
  /** What is particular about it. */
  readonly title: string;
  /** The dtype of the matrices, which hold values that it holds exactly; f32 by default. */
  readonly dtype?: Dtype;
  /** By the op's input names; int32 inputs hold whole numbers. */
  readonly tensors: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>
  >;
  /** The scalars that differ from the op's defaults. */
  readonly scalars?: Scalars;
  /** The gradients of the `differentiable` outputs; normal values by default. */
  readonly upstream?: readonly Float32Array[];
  /**
   * Input that needs a judgement of its own. `zeros`: all matrices are 0. `odd`: one NaN or infinity, which must reach
   * the elements that it reaches in the reference, and no others. `huge`: powers overflow f32; outputs must not be NaN,
   * and must be right where f32 holds them.
   */
  readonly special?: 'zeros' | 'odd' | 'huge';
}

/**
 * An op: one kernel forward, one backward, on every host; a composition of tf ops elsewhere. A row is the one place
 * that says what the op is. Forward takes `inputs` and gives `outputs`; backward takes `kept`, then the gradient
 * `d<name>` of each of `differentiable`, and gives `d<name>` of each of `gradients`.
 */
export interface Op<Name extends string = string> {
  /** One lowercase word; the C functions are `pc_<name>_forward` and `pc_<name>_backward`. */
  readonly name: Name;
  /** The tfjs kernel; its gradient's is this with `Grad` behind it. */
  readonly kernelName: string;
  /** The name for people: `ReLU²`. */
  readonly label: string;
  /** The paper or the code that defines it: an arXiv id or a URL. */
  readonly source: string;
  /** In the order of the C argument block. */
  readonly inputs: readonly string[];
  /** The inputs that are int32, and have no gradient. */
  readonly integers: readonly string[];
  /** The result first; behind it the outputs that only backward needs. */
  readonly outputs: readonly string[];
  /** The outputs whose gradients backward is given: the first ones. */
  readonly differentiable: readonly string[];
  /** The inputs and outputs that backward takes. */
  readonly kept: readonly string[];
  /** The inputs that backward gives gradients of, in the order of the C argument block. */
  readonly gradients: readonly string[];
  /** The inputs that are learned. */
  readonly parameters: Readonly<Record<string, Parameter>>;
  /** In the order of the C argument block. */
  readonly scalars: Readonly<Record<string, Scalar>>;
  /** Values of several scalars at once worth testing; the others have their defaults. */
  readonly together?: readonly Scalars[];
  /** The dtypes that the native kernels take for matrices: all inputs and outputs but `integers` and `f32`. */
  readonly storage: 'any' | 'f32';
  /** The inputs and outputs that are f32 whatever the matrices are, and their gradients so too; the parameters by default. */
  readonly f32?: readonly string[];
  /**
   * Whether a GPU's kernels take a call, told by the op's first input, which backward is given first too; without, they
   * take all. Others are composed there.
   */
  readonly fitsGpu?: (first: tf.Tensor) => boolean;
  /** Whether the first input is [gate | up], side by side on its last axis, which the C functions take as two views. */
  readonly packed?: boolean;
  /**
   * Of an activation, its formula in Python, for exported models and PyTorch beside ours: an expression, or lines that
   * return. It knows `torch`, `F` (torch.nn.functional), `powers` (of x to an order, the highest first), the inputs
   * and the scalars, a choice as its text.
   */
  readonly torch?: string;
  readonly reference: Reference;
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
  samples(): readonly Sample[];
}

/** An op without kernels: it is composed of tf ops on every host. */
export type ComposedOp<Name extends string = string> = Omit<
  Op<Name>,
  'kernelName' | 'source' | 'together' | 'storage' | 'fitsGpu' | 'packed' | 'torch' | 'reference' | 'samples'
>;

/** One direction of an op, as C, TensorFlow and tfjs name it. */
export interface Pass {
  /** The C function without its prefix: `polynorm_backward`. */
  readonly native: string;
  /** The tfjs kernel: `PolyNormGrad`. */
  readonly kernelName: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The default of each scalar. TensorFlow is not sent a scalar at its default: an attribute takes it 1 to 2 µs. */
  readonly scalars: Scalars;
  /** As the op's. */
  readonly packed: boolean;
  /** The inputs that hold int32; the others, and all outputs, are float32. */
  readonly integers: readonly string[];
  /** Whether the last input is any number of tensors; the kernel is then given all inputs as a plain array. */
  readonly list?: boolean;
  /**
   * The input that it writes in place, if it does. It is an output too, behind the others: the same memory as new
   * tensors, as a host may keep copies of a tensor, which it takes to be constant.
   */
  readonly inPlace?: string;
}

/** An op's two passes. */
export const passesOf: (op: Op) => readonly [forward: Pass, backward: Pass] = memoized(makePasses);

function makePasses(op: Op): [forward: Pass, backward: Pass] {
  const { name, kernelName, inputs, outputs, integers, packed = false } = op;
  const shared = { scalars: scalarsOf(op), packed, integers };
  const backward = {
    inputs: [...op.kept, ...gradientNames(op.differentiable)],
    outputs: gradientNames(op.gradients),
  };
  return [
    { ...shared, native: `${name}_forward`, kernelName, inputs, outputs },
    { ...shared, native: `${name}_backward`, kernelName: `${kernelName}Grad`, ...backward },
  ];
}

/** The names of the gradients of inputs or outputs: `dx` of `x`. */
export function gradientNames(names: readonly string[]): string[] {
  return names.map((name) => `d${name}`);
}

/** Every scalar of a call, in the op's order: the given ones, and the defaults of the others. */
export function scalarsOf({ scalars }: Pick<Op, 'scalars'>, given: Scalars = {}): Scalars {
  const all: Record<string, number> = {};
  for (const name in scalars) all[name] = given[name] ?? scalars[name]!.default;
  return all;
}

/** The dtype of an input or output that is no integer, and of its gradient: that of the sample for a matrix. */
export function dtypeOf(op: Pick<Op, 'parameters' | 'f32'>, name: string, { dtype = 'f32' }: Sample): Dtype {
  return (op.f32 ?? Object.keys(op.parameters)).includes(name) ? 'f32' : dtype;
}

/** The tensors that an op's backward pass takes, of its inputs and outputs in the op's order. */
export function keptOf<T>(
  op: Pick<Op, 'name' | 'inputs' | 'outputs' | 'kept'>,
  inputs: readonly T[],
  outputs: readonly T[],
): T[] {
  return op.kept.map((name) => {
    const found = inputs[op.inputs.indexOf(name)] ?? outputs[op.outputs.indexOf(name)];
    if (found !== undefined) return found;
    throw new PolycomError('INTERNAL', `${op.name} keeps '${name}', which is no input or output of it`);
  });
}
