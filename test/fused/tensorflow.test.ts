import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tensorsOf, upstreamFor } from '../../src/fused/expected.js';
import { runBackward, runForward, runFused } from '../../src/fused/run.js';
import { fusedOps } from '../../src/fused/table.js';
import { keptOf, type OpSample, type TransformerOp } from '../../src/fused/types.js';
import { unfused } from '../../src/index.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import { expectClose } from './harness.js';

/** What compositions may lose: tf's own ops round as they like. */
const COMPOSED = 2e-5;

const backends = [
  { backend: 'tensorflow', fused: true, bound: undefined },
  { backend: 'tensorflow', fused: false, bound: COMPOSED },
  { backend: 'cpu', fused: false, bound: COMPOSED },
];
if (!tensorflowStatus.fused) console.warn(`skipped: fused ops in TensorFlow: ${tensorflowStatus.missing}`);

const cases = fusedOps.flatMap((op) => backends.map((backend) => ({ name: op.name, op, ...backend })));

describe.each(cases)('$name on $backend, fused: $fused', ({ op, backend, fused, bound }) => {
  const before = tf.getBackend();
  const skipped = backend === 'tensorflow' && !tensorflowStatus.fused;
  beforeAll(async () => void (skipped || (await tf.setBackend(backend))));
  afterAll(async () => void (skipped || (await tf.setBackend(before || 'cpu'))));
  const maybe = <T>(f: () => T): T => (fused ? f() : unfused(f));
  const samples = op
    .samples()
    .filter(({ title }) => fused || !/values of|huge|NaN/.test(title))
    .map((sample) => ({ ...sample, sample }));

  test.skipIf(skipped).each(samples)('agrees with its reference: $title', ({ sample }) => {
    expectClose(
      maybe(() => run(op, sample)),
      op,
      sample,
      bound,
    );
  });

  test.skipIf(skipped)('differentiates as its backward pass does, and leaves nothing behind', () => {
    if (op.differentiable.length > 1) return; // for gradient functions alone
    const sample = samples[1]!.sample;
    const inputs = tensorsOf(op, sample);
    const shape = maybe(() => runFused(op, inputs, sample.scalars)).shape;
    const dy = tf.tensor(upstreamFor(0, tf.util.sizeFromShape(shape)), shape);
    const of = (name: string) => op.inputs.indexOf(name);
    const start = tf.memory().numTensors;
    const f = (...floats: tf.Tensor[]) =>
      runFused(
        op,
        op.inputs.map((name, i) => floats[op.gradients.indexOf(name)] ?? inputs[i]!),
        sample.scalars,
      );
    const gradients = maybe(() =>
      tf.grads(f)(
        op.gradients.map((name) => inputs[of(name)]!),
        dy,
      ),
    );
    const { outputs } = maybe(() => run(op, sample));
    expectClose({ outputs, gradients: gradients.map((g) => g.dataSync<'float32'>()) }, op, sample, bound);
    tf.dispose(gradients);
    expect(tf.memory().numTensors).toBe(start);
    tf.dispose([inputs, dy]);
  });
});

function run(op: TransformerOp, sample: OpSample) {
  return tf.tidy(() => {
    const inputs = tensorsOf(op, sample);
    const outputs = runForward(op, inputs, sample.scalars);
    const upstream = op.differentiable.map((_, i) => {
      const { size, shape } = outputs[i]!;
      return tf.tensor(upstreamFor(i, size), shape);
    });
    const gradients = runBackward(op, keptOf(op, inputs, outputs), upstream, sample.scalars);
    for (const [i, name] of op.gradients.entries())
      expect(gradients[i]!.shape, `d${name}`).toEqual([...sample.tensors[name]!.shape]);
    return {
      outputs: outputs.map((y) => y.dataSync<'float32'>()),
      gradients: gradients.map((g) => g.dataSync<'float32'>()),
    };
  });
}
