import * as tf from '@tensorflow/tfjs-core';
import { tfjsActivations } from '../activations/table.js';
import { upstreamOf } from '../fused/expected.js';
import { runBackward, runForward } from '../fused/run.js';
import { fusedOps } from '../fused/table.js';
import type { OpSample, TransformerOp } from '../fused/types.js';
import type { Device } from '../native/types.js';
import { runOp } from '../op/run.js';
import { type Sample, shapeOf } from '../op/sample.js';
import type { FusedOp } from '../op/types.js';
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
    return {
      reason: `TensorFlow runs on ${actual === 'cuda' ? 'a GPU' : 'the CPU'} here`,
      remedy:
        device === 'cuda'
          ? 'link a TensorFlow with CUDA: npx polycom tf-link --tensorflow <site-packages>'
          : 'hide the GPU from it: CUDA_VISIBLE_DEVICES=',
    };
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
    const inputs = op.inputs.map((name) => {
      const { shape, values } = sample.tensors[name]!;
      return op.integers.includes(name)
        ? tf.tensor(Int32Array.from(values), [...shape], 'int32')
        : tf.tensor(values, [...shape]);
    });
    const outputs = runForward(op, inputs, sample.scalars);
    const kept = op.kept.map((name) => outputs[op.outputs.indexOf(name)] ?? inputs[op.inputs.indexOf(name)]!);
    const upstream = upstreamOf(op, sample).map((dy, i) => tf.tensor(dy, outputs[i]!.shape));
    const gradients = runBackward(op, kept, upstream, sample.scalars);
    const read = (tensor: tf.Tensor): Float32Array => tensor.dataSync<'float32'>();
    return { outputs: outputs.map(read), gradients: gradients.map(read) };
  });
}
