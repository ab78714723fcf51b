import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../common/errors.js';
import { runKernel } from './run.js';
import { type Op, type Pass, passesOf, type Scalars } from './types.js';

/** Runs one pass on a host. `inputs` and the result are in the pass's order. */
export type RunPass = (
  backend: tf.KernelBackend,
  pass: Pass,
  inputs: readonly tf.TensorInfo[],
  scalars: Scalars,
) => tf.TensorInfo[];

/** Registers an op's two kernels on a tfjs backend, and its gradient. Doing it again does nothing. */
export function registerOp(op: Op, backendName: string, run: RunPass): void {
  for (const pass of passesOf(op)) registerPass(pass, backendName, run);
  if (fitsTape(op)) registerGradient(op);
  refuseSecondGradient(op);
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

/**
 * Whether tfjs's tape can hold the op's kernel. It wants a gradient of every input, integers too, and makes zeros for the
 * gradient of every output that has none. `runOp` hides the other ops from it.
 */
function fitsTape({ inputs, outputs, kept, gradients }: Op): boolean {
  return (
    outputs.length === 1 &&
    inputs.every((name) => gradients.includes(name)) &&
    kept.every((name) => inputs.includes(name))
  );
}

function registerGradient(op: Op): void {
  if (tf.getGradient(op.kernelName) != null) return;
  const [, backward] = passesOf(op);
  tf.registerGradient({
    kernelName: op.kernelName,
    inputsToSave: [...op.kept],
    // One call here gives every gradient. In the thunks below, each of which the tape runs in a tidy of its own,
    // the first would dispose of the others' results.
    gradFunc: (dy, saved, attrs) => {
      const gradients = runKernel(backward, [...saved, dy as tf.Tensor], attrs as unknown as Scalars);
      return Object.fromEntries(op.gradients.map((name, i) => [name, () => gradients[i]!]));
    },
  });
}

function refuseSecondGradient(op: Op): void {
  const { kernelName } = passesOf(op)[1];
  if (tf.getGradient(kernelName) != null) return;
  tf.registerGradient({
    kernelName,
    gradFunc: () => {
      throw new PolycomError('UNSUPPORTED', 'a fused op has no second derivative', {
        op: op.name,
        remedy:
          'run inside unfused(() => ...), whose compositions have one where the tf ops they are made of do',
      });
    },
  });
}
