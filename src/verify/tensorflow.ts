import * as tf from '@tensorflow/tfjs-core';
import { tfjsActivations } from '../activations/table.js';
import { findGpus } from '../doctor/gpu.js';
import { tensorsOf, upstreamFor } from '../fused/expected.js';
import { runBackward, runForward } from '../fused/run.js';
import { fusedOps } from '../fused/table.js';
import { keptOf, type OpSample, type TransformerOp } from '../fused/types.js';
import type { Device } from '../native/types.js';
import { runOp } from '../op/run.js';
import { type Sample, shapeOf } from '../op/sample.js';
import type { FusedOp } from '../op/types.js';
import { hasCuda, whyOnCpu } from '../tensorflow/cuda.js';
import type { TfjsBinding } from '../tensorflow/load.js';
import type { Absent, Outputs, Runner, TransformerOutputs } from './types.js';

/** The ops inside tfjs-node, which must be loaded with them; or why they do not run on the wanted device. */
export async function tensorflowRunner(device?: Device): Promise<Runner | Absent> {
  if (!(await tf.setBackend('tensorflow'))) {
    return { reason: "tfjs-node's backend does not start", remedy: 'run: npx polycom tf-link --verify' };
  }
  const { binding } = tf.backend() as tf.KernelBackend & { binding: TfjsBinding };
  const actual: Device = binding.isUsingGpuDevice() ? 'cuda' : 'cpu';
  if (device !== undefined && device !== actual) {
    if (actual === 'cuda')
      return {
        reason: 'TensorFlow runs on a GPU here',
        remedy: 'hide the GPU from it: CUDA_VISIBLE_DEVICES=',
      };
    const { reason, remedy } = whyOnCpu(hasCuda(), (await findGpus()).gpus.length);
    return { reason: `TensorFlow runs on the CPU here: ${reason}`, remedy };
  }
  return {
    device: actual,
    ops: tfjsActivations,
    dtypes: ['f32'],
    transformerOps: fusedOps,
    run,
    runAgain: run,
    runTransformer,
    dispose: () => undefined,
  };
}

function run(op: FusedOp, sample: Sample): Outputs {
  return tf.tidy(() => {
    const inputs = op.inputs.map((name) => tf.tensor(sample.tensors[name]!, shapeOf(name, sample)));
    const f = (...args: tf.Tensor[]): tf.Tensor => runOp(op, args, sample.scalars);
    const gradients = tf.grads(f)(inputs, tf.tensor(sample.dy, [sample.rows, sample.cols]));
    return {
      y: f(...inputs).dataSync<'float32'>(),
      gradients: gradients.map((gradient) => gradient.dataSync<'float32'>()),
    };
  });
}

function runTransformer(op: TransformerOp, sample: OpSample): TransformerOutputs {
  return tf.tidy(() => {
    const inputs = tensorsOf(op, sample);
    const outputs = runForward(op, inputs, sample.scalars);
    const upstream = op.differentiable.map((_, i) => {
      const { size, shape } = outputs[i]!;
      return tf.tensor(upstreamFor(i, size), shape);
    });
    const gradients = runBackward(op, keptOf(op, inputs, outputs), upstream, sample.scalars);
    const read = (tensor: tf.Tensor): Float32Array => tensor.dataSync<'float32'>();
    return { outputs: outputs.map(read), gradients: gradients.map(read) };
  });
}
