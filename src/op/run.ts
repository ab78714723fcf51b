import * as tf from '@tensorflow/tfjs-core';
import { NO_FUSED_KERNELS, sayOnce } from '../common/notice.js';
import { nestedGradients } from './nested.js';
import { type ComposedOp, keptOf, type Op, type Pass, passesOf, type Scalars, scalarsOf } from './types.js';

let composing = 0;

/**
 * Runs `f` with every op of this package as a composition of tf ops: slower, and what the fused
 * ops are measured against. `f` must be synchronous. Differentiable more than once where tf's own ops are: tfjs's sigmoid
 * and tanh are not (their second derivative is lost without a word), and SiLU and its gated form are made of those.
 */
export function unfused<T>(f: () => T): T {
  ++composing;
  try {
    return f();
  } finally {
    --composing;
  }
}

/**
 * Runs an op, differentiably: fused where the active backend has its kernels, else composed, which is said once.
 *
 * @param inputs in the order of the op's
 * @param scalars those that are not the op's defaults
 * @returns the op's first output
 */
export function runOp<T extends tf.Tensor>(
  op: Op | ComposedOp,
  inputs: readonly tf.Tensor[],
  scalars: Scalars = {},
): T {
  if (!isFused(op, 0, inputs)) return tf.tidy(() => op.composed(inputs, scalarsOf(op, scalars))[0]!) as T;
  // The tape knows the gradient of an op that it can hold whole.
  if (tf.getGradient(op.kernelName) != null) return runPass(op, 0, inputs, scalars)[0] as T;
  // Of the others, only what has a gradient is the tape's: it wants one for each input.
  const run = tf.customGrad((...given) => {
    const save = given[given.length - 1] as unknown as (tensors: tf.Tensor[]) => void;
    const { y, kept } = runKeeping(op, inputs, scalars);
    save(kept);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => runBackward(op, saved, [dy], scalars);
    return { value: y, gradFunc };
  });
  return run(...op.gradients.map((name) => inputs[op.inputs.indexOf(name)]!)) as T;
}

/**
 * Runs an op's forward pass: every output, also those that its backward pass needs. For functions that write their own
 * gradient (`tf.customGrad`), in which no tape records.
 */
export function runForward(
  op: Op | ComposedOp,
  inputs: readonly tf.Tensor[],
  scalars: Scalars = {},
): tf.Tensor[] {
  if (isFused(op, 0, inputs)) return runPass(op, 0, inputs, scalars);
  return tf.tidy(() => op.composed(inputs, scalarsOf(op, scalars)));
}

/** Runs an op's forward pass, for the first output and the tensors that {@link runBackward} takes. */
export function runKeeping(
  op: Op | ComposedOp,
  inputs: readonly tf.Tensor[],
  scalars: Scalars = {},
): { y: tf.Tensor; kept: tf.Tensor[] } {
  const outputs = runForward(op, inputs, scalars);
  return { y: outputs[0]!, kept: keptOf(op, inputs, outputs) };
}

/**
 * Runs an op's backward pass, for gradient functions that are written by hand: without a run of the op itself where the
 * active backend has its kernel.
 *
 * @param kept the op's `kept` tensors
 * @param upstream the gradients of its `differentiable` outputs
 * @returns the gradients of its `gradients` inputs
 */
export function runBackward(
  op: Op | ComposedOp,
  kept: readonly tf.Tensor[],
  upstream: readonly tf.Tensor[],
  scalars: Scalars = {},
): tf.Tensor[] {
  if (isFused(op, 1, kept)) return runPass(op, 1, [...kept, ...upstream], scalars);
  const all = scalarsOf(op, scalars);
  if (op.composedGradients !== undefined) {
    return tf.tidy(() => op.composedGradients!(kept, upstream, all));
  }
  const of = (name: string) => kept[op.kept.indexOf(name)]!;
  const f = (...floats: tf.Tensor[]) => {
    const inputs = op.inputs.map((name) => floats[op.gradients.indexOf(name)] ?? of(name));
    return op.composed(inputs, all).slice(0, op.differentiable.length);
  };
  return nestedGradients(f, op.gradients.map(of), upstream);
}

/** Whether the pass of an op runs fused: 0 for forward, 1 for backward. */
function isFused(op: Op | ComposedOp, pass: 0 | 1, given: readonly tf.Tensor[]): op is Op {
  if (!('kernelName' in op) || !hasKernel(passesOf(op)[pass].kernelName)) return false;
  return op.fitsGpu === undefined || !isOnGpu() || op.fitsGpu(given[0]!);
}

/** Whether the active backend's tensors lie on a GPU, as tfjs-node's says. */
function isOnGpu(): boolean {
  return (tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true;
}

function runPass(op: Op, pass: 0 | 1, inputs: readonly tf.Tensor[], scalars: Scalars): tf.Tensor[] {
  return runKernel(passesOf(op)[pass], inputs, scalarsOf(op, scalars));
}

/** Runs the kernel of a pass on the active backend, which must have it. */
export function runKernel(pass: Pass, inputs: readonly tf.Tensor[], scalars: Scalars = {}): tf.Tensor[] {
  const given = pass.list ? (inputs as unknown as tf.NamedTensorMap) : named(pass.inputs, inputs);
  const result = tf.engine().runKernel(pass.kernelName, given, scalars as unknown as tf.NamedAttrMap);
  return Array.isArray(result) ? (result as tf.Tensor[]) : [result as tf.Tensor];
}

function named(names: readonly string[], tensors: readonly tf.Tensor[]): tf.NamedTensorMap {
  const all: tf.NamedTensorMap = {};
  for (let i = 0; i < names.length; ++i) all[names[i]!] = tensors[i]!;
  return all;
}

/** Whether an op runs fused: its kernel is on the active backend, and it is not inside `unfused`. Says once if not. */
export function hasKernel(kernelName: string): boolean {
  if (composing > 0) return false;
  const backend = activeBackend();
  if (tf.getKernel(kernelName, backend) != null) return true;
  sayMissingKernels(backend);
  return false;
}

function activeBackend(): string {
  const { backendName } = tf.engine();
  if (backendName != null) return backendName;
  tf.backend(); // chooses one
  return tf.engine().backendName;
}

/** What is missing is said once: a host that could not register its kernels has said why. */
function sayMissingKernels(backend: string): void {
  sayOnce(
    `the backend '${backend}' has no fused kernels, so ops run as compositions of tf ops; ${remedy(backend)}`,
    NO_FUSED_KERNELS,
  );
}

// Whether the library is there is not looked for: this runs in browsers too, and polycom/tensorflow says it.
function remedy(backend: string): string {
  const tensorflow = "import 'polycom/tensorflow' first";
  if (backend === 'tensorflow') return `for fused ones, ${tensorflow}`;
  return `for fused ones, use tfjs-node and ${tensorflow}, once npx polycom build has been run`;
}
