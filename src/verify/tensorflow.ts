import * as tf from '@tensorflow/tfjs-core';
import { findGpus } from '../native/gpus.js';
import type { Device } from '../native/types.js';
import { functionOf, tensorsOf, upstreamTensors } from '../op/compare.js';
import { runBackward, runForward } from '../op/run.js';
import { keptOf, type Op, type Sample } from '../op/types.js';
import { tfjsOps } from '../ops.js';
import { hasCuda, whyOnCpu } from '../tensorflow/cuda.js';
import type { TfjsBinding } from '../tensorflow/load.js';
import type { Absent, Outputs, Runner } from './types.js';

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
    ops: tfjsOps,
    dtypes: ['f32'],
    run,
    runAgain: actual === 'cuda' ? runByWaiting : run,
    dispose: () => undefined,
  };
}

function run(op: Op, sample: Sample): Outputs {
  return tf.tidy(() => {
    const inputs = tensorsOf(op, sample);
    const outputs = runForward(op, inputs, sample.scalars);
    const upstream = upstreamTensors(op, sample, outputs);
    const gradients =
      upstream.length === 1
        ? gradientsByTape(op, inputs, upstream[0]!, sample)
        : runBackward(op, keptOf(op, inputs, outputs), upstream, sample.scalars);
    const read = (tensor: tf.Tensor): Float32Array => tensor.dataSync<'float32'>();
    return { outputs: outputs.map(read), gradients: gradients.map(read) };
  });
}

/** The same with the surest order among TensorFlow's work on a GPU: by waiting before each op and after it. */
function runByWaiting(op: Op, sample: Sample): Outputs {
  const before = process.env.POLYCOM_STREAM_TIER;
  process.env.POLYCOM_STREAM_TIER = '3';
  try {
    return run(op, sample);
  } finally {
    if (before === undefined) delete process.env.POLYCOM_STREAM_TIER;
    else process.env.POLYCOM_STREAM_TIER = before;
  }
}

function gradientsByTape(op: Op, inputs: readonly tf.Tensor[], dy: tf.Tensor, sample: Sample): tf.Tensor[] {
  const { f, given } = functionOf(op, inputs, sample);
  return tf.grads(f)(given, dy);
}
