import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PolycomError } from '../../src/common/errors.js';
import { measurePeak } from '../../src/model/peak.js';
import type { Queue } from '../../src/native/queue.js';
import type { IntegerTensor, NativeTensor } from '../../src/native/types.js';
import { expected, sameBits } from '../../src/op/compare.js';
import { randomTensor } from '../../src/op/sample.js';
import type { Sample } from '../../src/op/types.js';
import { attention, composedAttention, attentionOp as op } from '../../src/transformer-ops/attention.js';
import { emulatedCuda, expectClose, native, runNative } from '../native/harness.js';

const emulated = await emulatedCuda();
/** A GPU of this architecture: sm_80 and newer have tensor cores for attention. */
function emulatedGpu(architecture: string): Queue | undefined {
  process.env.EMULATED_ARCHITECTURE = architecture;
  const queue = emulated?.createQueue({ device: 'cuda' });
  delete process.env.EMULATED_ARCHITECTURE;
  return queue;
}

const hosts = [
  { host: 'the CPU', queue: native?.createQueue({ threads: 4 }) },
  { host: 'the CUDA emulator', queue: emulatedGpu('90') },
  { host: 'the CUDA emulator, of sm_75', queue: emulatedGpu('75') },
];
afterAll(() => {
  for (const { queue } of hosts) queue?.dispose();
});

function sampleOf(
  [batch, time, heads, width]: [number, number, number, number],
  keys: number = time,
  kvHeads: number = heads,
): Sample {
  return {
    title: '',
    tensors: {
      q: randomTensor([batch, time, heads, width], 1),
      k: randomTensor([batch, keys, kvHeads, width], 2),
      v: randomTensor([batch, keys, kvHeads, width], 3),
      start: { shape: [batch], values: new Float32Array(batch).fill(keys - time) },
    },
  };
}

function floats(...shape: number[]): NativeTensor {
  return { shape, data: new Float32Array(shape.reduce((product, n) => product * n, 1)) };
}

describe.each(hosts)('attention on $host', ({ queue }) => {
  if (queue === undefined) return test.skip('needs the library', () => undefined);

  test('takes q, k and v as parts of one tensor, at any offset', () => {
    const [batch, time, heads, kvHeads, width] = [2, 21, 4, 2, 12];
    const row = (heads + 2 * kvHeads) * width + 3;
    for (const offset of [0, 1, 3]) {
      const packed = randomTensor([offset + batch * time * row], 5).values;
      const part = (head: number, count: number): NativeTensor => ({
        data: packed.subarray(offset + head * width),
        shape: [batch, time, count, width],
        strides: [time * row, row, width, 1],
      });
      const views = [part(0, heads), part(heads, kvHeads), part(heads + kvHeads, kvHeads)];
      const whole = views.map(({ data, shape, strides }) => ({
        shape,
        data: Float32Array.from({ length: batch * time * shape[2]! * width }, (_, i) => {
          const [d, h] = [i % width, Math.floor(i / width) % shape[2]!];
          return (data as Float32Array)[Math.floor(i / (width * shape[2]!)) * strides![1]! + h * width + d]!;
        }),
      }));
      const start: IntegerTensor = { data: new Int32Array(batch), shape: [batch], dtype: 'i32' };
      const dy = { data: randomTensor([batch * time * heads * width], 6).values, shape: views[0]!.shape };
      const run = (inputs: readonly NativeTensor[]): Float32Array[] => {
        const like = (of: readonly (readonly number[])[]) => of.map((shape) => floats(...shape));
        const shapes = inputs.map(({ shape }) => shape);
        const kept = like([shapes[0]!, [batch, heads, time]]);
        const gradients = like(shapes);
        const all = [...inputs, start];
        queue.call('attention_forward', { inputs: all, scalars: [0], outputs: kept });
        queue.call('attention_backward', {
          inputs: [...all, ...kept, dy],
          scalars: [0],
          outputs: gradients,
        });
        return [...kept, ...gradients].map(({ data }) => data as Float32Array);
      };
      const expected = run(whole);
      for (const [i, got] of run(views).entries()) expect(sameBits(got, expected[i]!), `${i}`).toBe(true);
    }
  });

  test('lets no query see what is ahead of it, even NaN', () => {
    for (const [time, keys] of [
      [40, 40],
      [9, 30],
      [1, 30],
    ] as const) {
      const sample = sampleOf([1, time, 2, 16], keys, 1);
      const seen = 5 + keys - time; // keys, by query 4
      const before = runNative(queue, op, sample);
      if (time > 5) for (const name of ['k', 'v']) sample.tensors[name]!.values.fill(Number.NaN, seen * 16);
      const after = runNative(queue, op, sample).outputs[0]!;
      const query = Math.min(4, time - 1) * 2 * 16;
      expect(sameBits(after.slice(0, query + 32), before.outputs[0]!.slice(0, query + 32))).toBe(true);
      if (time > 5) expect(after.slice(query + 32).every(Number.isNaN)).toBe(true);
    }
  });

  test('gives no gradient to a key from a query that does not see it, even NaN', () => {
    const sample = sampleOf([1, 40, 2, 16], 40, 1);
    sample.tensors.q!.values.fill(Number.NaN, 9 * 32, 10 * 32); // query 9 sees keys 0 to 9
    const [dq, dk, dv] = runNative(queue, op, sample).gradients as [Float32Array, Float32Array, Float32Array];
    for (const gradient of [dk, dv]) {
      expect(gradient.slice(0, 160).every(Number.isNaN)).toBe(true);
      expect(gradient.slice(160).some(Number.isNaN)).toBe(false);
    }
    for (const [i, value] of dq.entries()) expect(Number.isNaN(value), `${i}`).toBe(i >= 288 && i < 320);
  });

  const good = (): (NativeTensor | IntegerTensor)[] => {
    const { q, k, v } = sampleOf([2, 3, 4, 8], 5, 2).tensors;
    return [
      ...[q!, k!, v!].map(({ shape, values }) => ({ shape, data: values })),
      { data: new Int32Array(2), shape: [2], dtype: 'i32' },
    ];
  };
  test.each<[string, number, NativeTensor | IntegerTensor, RegExp]>([
    ['a rank', 0, floats(2, 3, 8), /q has shape \[2, 3, 8\]; expected \[batch, time, heads, width\]/],
    ['heads that are no multiple', 0, floats(2, 3, 3, 8), /a multiple of those of k/],
    ['another width', 0, floats(2, 3, 4, 7), /k has shape \[2, 5, 2, 8\]; expected 7 on axis 3/],
    ['another batch', 0, floats(1, 3, 4, 8), /expected 1 on axis 0/],
    ['values of another shape', 2, floats(2, 4, 2, 8), /v has shape \[2, 4, 2, 8\].*expected those of k/],
    ['too few starts', 3, { data: new Int32Array(1), shape: [1], dtype: 'i32' }, /start has shape \[1\]/],
    ['starts that are floats', 3, floats(2), /start/],
    [
      'another dtype',
      0,
      { data: new Uint16Array(192), dtype: 'bf16', shape: [2, 3, 4, 8] },
      /k has dtype 0; expected that of q, 2/,
    ],
    [
      'a strided last axis',
      0,
      { data: new Float32Array(400), shape: [2, 3, 4, 8], strides: [192, 64, 16, 2] },
      /last axis of q has stride 2/,
    ],
  ])('refuses %s', (_, index, tensor, message) => {
    const inputs = good();
    inputs[index] = tensor;
    expect(() => queue.call('attention_forward', { inputs, scalars: [0], outputs: 2 })).toThrow(message);
  });

  test('refuses no keys, and a scale that is no number', () => {
    const call = (inputs: (NativeTensor | IntegerTensor)[], scale: number) => () =>
      queue.call('attention_forward', { inputs, scalars: [scale], outputs: 2 });
    const [q, , , start] = good();
    expect(call([q!, floats(2, 0, 2, 8), floats(2, 0, 2, 8), start!], 0)).toThrow(/no key; expected 1/);
    expect(call(good(), Number.NaN)).toThrow(/scale is nan; expected a finite number/);
  });
});

describe.skipIf(emulated === undefined)('attention in CUDA without tensor cores', () => {
  const samples = op.samples().map((sample) => ({ title: sample.title, sample }));
  test.each(samples)('agrees with its reference: $title', ({ sample }) => {
    expectClose(runNative(hosts[2]!.queue!, op, sample), op, sample);
  });
});

test.skipIf(emulated === undefined)('attention in CUDA refuses wider heads than its tiles', () => {
  const queue = hosts[1]!.queue!;
  expect(() => runNative(queue, op, sampleOf([1, 2, 1, 257]))).toThrow(/257 wide.*up to 256/);
});

test.skipIf(native === undefined)(
  'attention gives the same bits on any number of threads, cut or not',
  () => {
    const queues = [1, 2, 4].map((threads) => native!.createQueue({ threads }));
    const [first] = queues as [Queue];
    for (const sample of [sampleOf([1, 300, 2, 16], 300, 1), sampleOf([3, 1, 2, 16], 700, 1)]) {
      const one = runNative(first, op, sample);
      expectClose(one, op, sample);
      for (const queue of queues) {
        const again = runNative(queue, op, sample);
        for (const part of ['outputs', 'gradients'] as const)
          for (const [i, values] of one[part].entries()) expect(sameBits(again[part][i]!, values)).toBe(true);
      }
    }
    for (const queue of queues) queue.dispose();
  },
);

describe('attention', () => {
  beforeAll(async () => void (await tf.setBackend('cpu')));

  test('scales by 1/√width unless it is told, and takes starts as numbers', () => {
    tf.tidy(() => {
      const sample = sampleOf([2, 5, 2, 8], 9, 1);
      const [q, k, v] = ['q', 'k', 'v'].map((name) => {
        const { shape, values } = sample.tensors[name]!;
        return tf.tensor4d(values, shape as [number, number, number, number]);
      }) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
      const wanted = expected(op, sample).outputs[0]!.value;
      for (const options of [{}, { scale: 8 ** -0.5 }]) {
        const y = attention(q, k, v, [4, 4], options);
        expect(y.shape).toEqual([2, 5, 2, 8]);
        for (const [i, value] of y.dataSync().entries()) expect(value).toBeCloseTo(wanted[i]!, 5);
      }
    });
  });

  test('composed of slices of the queries is that of all at once, with its gradients, in less memory', () => {
    const { tensors } = sampleOf([2, 24, 4, 8], 40, 2);
    const inputs = ['q', 'k', 'v'].map((name) =>
      tf.tensor4d(tensors[name]!.values, tensors[name]!.shape as [number, number, number, number]),
    ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const start = tf.tensor1d([16, -3], 'int32');
    const row = 4 * 2 * 4 * 40; // bytes of the scores of one query of each head
    const measured = [24, 7, 1].map((most) =>
      measurePeak(() => composedAttention([...inputs, start], { scale: 0 }, row * most)),
    );
    const gradients = [24, 7].map((most) =>
      tf.tidy(() => {
        const f = (...[q, k, v]: tf.Tensor[]) =>
          tf.sum(
            tf.square(composedAttention([q!, k!, v!, start], { scale: 0 }, row * most)[0]!),
          ) as tf.Scalar;
        return tf
          .grads(f)(inputs)
          .map((gradient) => gradient.dataSync());
      }),
    );
    const close = (got: ArrayLike<number>, wanted: ArrayLike<number>) => {
      expect(got).toHaveLength(wanted.length);
      for (let i = 0; i < wanted.length; ++i) expect(Math.abs(got[i]! - wanted[i]!)).toBeLessThan(1e-5);
    };
    const [whole, ...sliced] = measured.map(({ result }) => result.map((x) => x.dataSync()));
    for (const parts of sliced) for (const [i, part] of parts.entries()) close(part, whole![i]!);
    for (const [i, gradient] of gradients[1]!.entries()) close(gradient, gradients[0]![i]!);
    expect(measured[2]!.peakBytes).toBeLessThan(measured[0]!.peakBytes / 2);
    tf.dispose([inputs, start, measured.map(({ result }) => result)] as tf.TensorContainer);
  });

  test('refuses what does not fit, by name', () => {
    tf.tidy(() => {
      const [x, start] = [tf.zeros([2, 3, 4, 8]) as tf.Tensor4D, tf.zeros([2], 'int32') as tf.Tensor1D];
      const wrong = (f: () => unknown, message: RegExp) => {
        expect(f).toThrow(PolycomError);
        expect(f).toThrow(message);
      };
      wrong(() => attention(x.reshape([6, 4, 8]), x, x, start), /q must be \[batch, time, heads, width\]/);
      wrong(() => attention(x, x, x.slice([0, 1]), start), /k and v/);
      wrong(() => attention(x, x.tile([1, 1, 2, 1]), x.tile([1, 1, 2, 1]), start), /4 heads and k 8/);
      wrong(() => attention(x, x.slice([1]), x.slice([1]), start), /one batch and one width/);
      wrong(() => attention(x, x.slice([0, 3]), x.slice([0, 3]), start), /no key/);
      wrong(() => attention(x, x, x, tf.zeros([2])), /start is float32; expected int32/);
      wrong(() => attention(x, x, x, [0]), /start must be \[batch\]/);
      wrong(() => attention(x, x, x, start, { scale: Number.NaN }), /scale is NaN/);
    });
  });
});
