import * as tf from '@tensorflow/tfjs-core';
import { NO_FUSED_KERNELS, sayOnce } from '../notice.js';
import type { FusedOp, Scalars } from './types.js';

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

/** Runs an op: fused where the active backend has its kernel, else composed, which is said once. */
export function runOp<T extends tf.Tensor>(op: FusedOp, inputs: readonly tf.Tensor[], scalars: Scalars): T {
  if (!hasKernel(op.kernelName)) return runComposed(op.composed, inputs, scalars);
  const named: Record<string, tf.Tensor> = {};
  for (let i = 0; i < op.inputs.length; ++i) named[op.inputs[i]!] = inputs[i]!;
  return tf.engine().runKernel(op.kernelName, named, scalars as unknown as tf.NamedAttrMap) as T;
}

/** Runs a composition of tf ops; its temporaries are disposed of. */
export function runComposed<T extends tf.Tensor>(
  composed: FusedOp['composed'],
  inputs: readonly tf.Tensor[],
  scalars: Scalars,
): T {
  return tf.tidy(() => composed(inputs, scalars)) as T;
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
