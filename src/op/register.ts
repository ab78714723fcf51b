import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../errors.js';
import { backwardPass, type FusedOp, forwardPass, type Pass, type Scalars } from './types.js';

/** Runs one pass on a host. `inputs` and the result are in the pass's order. */
export type RunPass = (
  backend: tf.KernelBackend,
  pass: Pass,
  inputs: readonly tf.TensorInfo[],
  scalars: Scalars,
) => tf.TensorInfo[];

/** Registers an op's two kernels on a tfjs backend, and its gradient. Doing it again does nothing. */
export function registerOp(op: FusedOp, backendName: string, run: RunPass): void {
  for (const pass of [forwardPass(op), backwardPass(op)]) registerPass(pass, backendName, run);
  registerGradients(op);
}

/** Registers one pass as a tfjs kernel, without a gradient. Doing it again does nothing. */
export function registerPass(pass: Pass, backendName: string, run: RunPass): void {
  if (tf.getKernel(pass.kernelName, backendName) != null) return;
  tf.registerKernel({
    kernelName: pass.kernelName,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const ordered = pass.list
        ? (Object.values(inputs) as tf.TensorInfo[])
        : pass.inputs.map((name) => inputs[name] as tf.TensorInfo);
      const outputs = run(backend as tf.KernelBackend, pass, ordered, attrs as unknown as Scalars);
      return outputs.length === 1 ? outputs[0]! : outputs;
    },
  });
}

function registerGradients(op: FusedOp): void {
  const { kernelName, inputs } = op;
  const backward = backwardPass(op);
  if (tf.getGradient(kernelName) == null) {
    tf.registerGradient({
      kernelName,
      inputsToSave: [...inputs],
      // One call here gives every gradient. In the thunks below, each of which the tape runs in a tidy of its own,
      // the first would dispose of the others' results.
      gradFunc: (dy, saved, attrs) => {
        const named = Object.fromEntries([
          ...inputs.map((name, i) => [name, saved[i]!]),
          ['dy', dy as tf.Tensor],
        ]);
        const result = tf.engine().runKernel(backward.kernelName, named, attrs);
        const gradients = (Array.isArray(result) ? result : [result]) as tf.Tensor[];
        return Object.fromEntries(inputs.map((name, i) => [name, () => gradients[i]!]));
      },
    });
  }
  if (tf.getGradient(backward.kernelName) == null) {
    tf.registerGradient({
      kernelName: backward.kernelName,
      gradFunc: () => {
        throw new PolycomError('UNSUPPORTED', 'a fused op has no second derivative', {
          op: op.name,
          remedy:
            'run inside unfused(() => ...), whose compositions have one where the tf ops they are made of do',
        });
      },
    });
  }
}
