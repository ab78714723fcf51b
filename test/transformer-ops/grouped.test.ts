import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, test } from 'vitest';
import { decode, rounded, type Stored } from '../../src/native/dtype.js';
import type { Queue } from '../../src/native/queue.js';
import type { Dtype, NativeTensor } from '../../src/native/types.js';
import { boundOf, errorOf, valuesOf } from '../../src/op/compare.js';
import { normal } from '../../src/op/sample.js';
import { type Op, passesOf, type Sample, scalarsOf } from '../../src/op/types.js';
import { groupedpolynormgluOp, groupedpolynormOp } from '../../src/transformer-ops/groupedpolynorm.js';
import { groupedPolyNorm, groupedPolyNormGlu } from '../../src/transformer-ops/index.js';
import { callNative, emulatedCuda, native, nativeTensor } from '../native/harness.js';

const emulated = await emulatedCuda();
const hosts = [
  { host: 'the CPU', queue: native?.createQueue({ threads: 2 }) },
  { host: 'the CUDA emulator', queue: emulated?.createQueue({ device: 'cuda' }) },
];
afterAll(() => {
  for (const { queue } of hosts) queue?.dispose();
});
const ops = [groupedpolynormOp, groupedpolynormgluOp];
const cases = hosts.flatMap((host) => ops.map((op) => ({ ...host, op, name: op.name })));
const MATRICES = ['x', 'up'];

/** The sample with its matrices rounded to what a dtype holds. */
function storedAs(sample: Sample, dtype: Dtype): Sample {
  const tensors = Object.entries(sample.tensors).map(([name, { shape, values }]) => [
    name,
    { shape, values: MATRICES.includes(name) ? values.map((value) => rounded(value, dtype)) : values },
  ]);
  return { ...sample, tensors: Object.fromEntries(tensors) };
}

function upstream({ tensors }: Sample, dtype: Dtype = 'f32'): Float32Array {
  return normal(tensors.x!.values.length, 90).map((value) => rounded(value, dtype));
}

/** y and the gradients, of matrices in a dtype. */
function run(queue: Queue, op: Op, sample: Sample, dy: Float32Array, dtype: Dtype = 'f32') {
  const [forward, backward] = passesOf(op);
  const scalars = Object.values(scalarsOf(op, sample.scalars));
  const inputs = op.inputs.map((name) =>
    nativeTensor(op, sample, name, MATRICES.includes(name) ? dtype : 'f32'),
  );
  const dyTensor = nativeTensor(
    op,
    { ...sample, tensors: { dy: { ...sample.tensors.x!, values: dy } } },
    'dy',
    dtype,
  );
  return [
    ...callNative(queue, forward.native, inputs, scalars, 1),
    ...callNative(queue, backward.native, [...inputs, dyTensor], scalars, op.gradients.length),
  ];
}

const bytesOf = ({ data }: NativeTensor): Uint8Array => new Uint8Array((data as Stored).buffer);
const floatsOf = ({ data, dtype = 'f32' }: NativeTensor): Float32Array => decode(data as Stored, dtype);

describe.each(cases)('$name on $host', ({ op, queue, host }) => {
  if (queue === undefined) return test.skip('needs the library', () => undefined);
  const sampleNamed = (title: string): Sample => op.samples().find((sample) => sample.title === title)!;

  test.each<Dtype>(['f16', 'bf16'])('agrees with its reference in %s', (dtype) => {
    for (const sample of op.samples()) {
      if (dtype === 'f16' && /values of 1[0e]/.test(sample.title)) continue; // no f16 holds those
      const [stored, dy] = [storedAs(sample, dtype), upstream(sample, dtype)];
      const got = run(queue, op, stored, dy, dtype);
      const [values, scalars] = [valuesOf(stored), scalarsOf(op, sample.scalars)];
      const wanted = [
        ...op.reference.forward(values, scalars),
        ...op.reference.backward(values, [Float64Array.from(dy)], scalars),
      ];
      for (const [i, name] of ['y', ...op.gradients].entries()) {
        const of = name === 'y' || MATRICES.includes(name) ? dtype : 'f32';
        expect(got[i]!.dtype, name).toBe(of);
        const error = errorOf(floatsOf(got[i]!), wanted[i]!);
        expect(error, `${sample.title}, ${name}`).toBeLessThanOrEqual(boundOf(wanted[i]!, of));
      }
    }
  });

  test('takes rows that are apart, as halves of [gate | up] are: the same bits', () => {
    const sample = sampleNamed('rows of no group');
    const [rows, cols] = sample.tensors.x!.shape as [number, number];
    const wanted = run(queue, op, sample, upstream(sample));
    const wide = new Float32Array(rows * 2 * cols).fill(Number.NaN);
    const half = (values: Float32Array, side: number): NativeTensor => {
      for (let r = 0; r < rows; ++r)
        wide.set(values.subarray(r * cols, (r + 1) * cols), r * 2 * cols + side * cols);
      return { data: wide.subarray(side * cols), shape: [rows, cols], strides: [2 * cols, 1] };
    };
    const inputs = op.inputs.map((name) =>
      MATRICES.includes(name)
        ? half(sample.tensors[name]!.values, MATRICES.indexOf(name))
        : nativeTensor(op, sample, name),
    );
    const scalars = Object.values(scalarsOf(op, sample.scalars));
    const dy = { data: upstream(sample), shape: [rows, cols] };
    const got = [
      ...callNative(queue, `${op.name}_forward`, inputs, scalars, 1),
      ...callNative(queue, `${op.name}_backward`, [...inputs, dy], scalars, op.gradients.length),
    ];
    for (const [i, output] of got.entries()) expect(bytesOf(output)).toEqual(bytesOf(wanted[i]!));
  });

  test('reads nothing of rows that belong to no group', () => {
    const sample = sampleNamed('rows of no group'); // 2 before the first group, 2 behind the last, 33 wide
    const dy = upstream(sample);
    const wanted = run(queue, op, sample, dy);
    const ruined = (values: Float32Array): Float32Array =>
      values.map((value, i) => (i < 2 * 33 || i >= 6 * 33 ? Number.NaN : value));
    const tensors = Object.entries(sample.tensors).map(([name, { shape, values }]) => [
      name,
      { shape, values: MATRICES.includes(name) ? ruined(values) : values },
    ]);
    const got = run(queue, op, { ...sample, tensors: Object.fromEntries(tensors) }, ruined(dy));
    for (const [i, output] of got.entries()) expect(bytesOf(output)).toEqual(bytesOf(wanted[i]!));
    const y = floatsOf(got[0]!);
    expect(y.every((value, i) => (i < 2 * 33 || i >= 6 * 33) === (value === 0))).toBe(true);
  });

  const offsets = (values: readonly number[]): Sample => {
    const sample = sampleNamed('rows of no group'); // 8 rows, 2 groups
    return {
      ...sample,
      tensors: { ...sample.tensors, offsets: { shape: [3], values: Float32Array.from(values) } },
    };
  };

  test.each([
    { values: [0, 5, 4], message: /offsets\[2\] is 4; expected 5 to 8/ },
    { values: [-1, 5, 8], message: /offsets\[0\] is -1; expected 0 to 8/ },
    { values: [0, 5, 9], message: /offsets\[2\] is 9; expected 5 to 8/ },
    { values: [0, 2 ** 30, 3], message: /offsets\[1\] is 1073741824; expected 0 to 8/ },
    { values: [0, -(2 ** 31), 3], message: /offsets\[1\] is -2147483648; expected 0 to 8/ },
  ])('with offsets $values refuses on the CPU, and gives NaN on CUDA', ({ values, message }) => {
    const sample = offsets(values);
    const call = () => run(queue, op, sample, upstream(sample));
    if (host === 'the CPU') {
      expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      return expect(call).toThrow(message);
    }
    for (const output of call()) expect(floatsOf(output).every(Number.isNaN)).toBe(true);
  });

  test('refuses groups without offsets, and scalars that are none', () => {
    const sample = sampleNamed('order 2');
    const without = {
      ...sample,
      tensors: { ...sample.tensors, offsets: { shape: [0], values: new Float32Array() } },
    };
    const dy = upstream(sample);
    expect(() => run(queue, op, without, dy)).toThrow(
      /2 groups and no offsets; expected one group, or \[3\]/,
    );
    const scaled = (scalars: Record<string, number>) => run(queue, op, { ...sample, scalars }, dy);
    expect(() => scaled({ input_clamp: -1 })).toThrow(/input_clamp is -1/);
    expect(() => scaled({ bias_clamp: Number.NaN })).toThrow(/bias_clamp is nan/i);
    expect(() => scaled({ output_scale: 1e39 })).toThrow(/output_scale is 1e\+39/);
  });
});

describe('groupedPolyNorm', () => {
  test('lets nothing of padding rows through, NaN in the gradient of y neither', async () => {
    await tf.setBackend('cpu');
    const odd = [
      [NaN, 1],
      [1, 2],
      [3, NaN],
    ]; // the middle row alone is in a group
    const gradients = tf.grads((gate, up) =>
      groupedPolyNormGlu(gate!, up!, [[0.2, 0.3, 0.4]], [0.1], [1, 2]),
    )([tf.tensor2d(odd), tf.tensor2d(odd)], tf.tensor2d(odd));
    for (const gradient of gradients) {
      const values = Array.from(await gradient.data());
      expect(values.every(Number.isFinite), String(values)).toBe(true);
      expect([...values.slice(0, 2), ...values.slice(4)]).toEqual([0, 0, 0, 0]);
      expect(values[2]).not.toBe(0);
    }
  });

  const [x, up] = [tf.randomNormal([6, 5], 0, 1, 'float32', 1), tf.randomNormal([6, 5], 0, 1, 'float32', 2)];
  const weight = tf.tensor2d([0.3, 0.2, 0.5, -0.1, 0.4, 0.7], [2, 3]);
  const [bias, offsets, shift] = [
    tf.tensor1d([0.9, -0.1]),
    tf.tensor1d([0, 2, 6], 'int32'),
    tf.tensor1d([1, 0, 0, -1, 2]),
  ];

  test('has every option, and gradients of all that has one', async () => {
    await tf.setBackend('cpu');
    const options = { inputClamp: 1.5, biasClamp: 0.5, outputScale: 0.5, epsilon: 1e-5, norm: 'l2' } as const;
    const f = (...[a, b, w, c, s]: tf.Tensor[]) =>
      groupedPolyNormGlu(a!, b!, w!, c!, offsets, { ...options, shift: s! });
    const inputs = [x, up, weight, bias, shift];
    const gradients = tf.grads(f)(inputs);
    const sample: Sample = {
      title: '',
      tensors: Object.fromEntries(
        Object.entries({ x, up, weight, bias, offsets, shift }).map(([name, tensor]) => [
          name,
          { shape: tensor.shape, values: Float32Array.from(tensor.dataSync()) },
        ]),
      ),
      scalars: { epsilon: 1e-5, norm: 1, input_clamp: 1.5, bias_clamp: 0.5, output_scale: 0.5 },
    };
    const scalars = scalarsOf(groupedpolynormgluOp, sample.scalars);
    const ones = new Float64Array(30).fill(1);
    const wanted = groupedpolynormgluOp.reference.backward(valuesOf(sample), [ones], scalars);
    for (const [i, gradient] of gradients.entries())
      expect(errorOf(gradient.dataSync(), wanted[i]!)).toBeLessThan(2e-5);
    const y = f(...inputs);
    const [value] = groupedpolynormgluOp.reference.forward(valuesOf(sample), scalars);
    expect(errorOf(y.dataSync(), value!)).toBeLessThan(2e-5);
    tf.dispose([gradients, y]);
  });

  test.each<[string, () => unknown, RegExp]>([
    ['a scalar', () => groupedPolyNorm(tf.scalar(1), weight, bias, offsets), /rank 1 or more/],
    ['a weight of rank 1', () => groupedPolyNorm(x, tf.zeros([3]), bias, offsets), /\[groups, order\]/],
    ['order 5', () => groupedPolyNorm(x, tf.zeros([2, 5]), bias, offsets), /order 1 to 4/],
    ['another number of biases', () => groupedPolyNorm(x, weight, tf.zeros([3]), offsets), /bias \[groups\]/],
    ['offsets too few', () => groupedPolyNorm(x, weight, bias, [0, 6]), /\[groups \+ 1\], or null/],
    ['no offsets of two groups', () => groupedPolyNorm(x, weight, bias, null), /\[groups \+ 1\], or null/],
    ['offsets that are floats', () => groupedPolyNorm(x, weight, bias, tf.zeros([3])), /expected int32/],
    [
      'a shift of another length',
      () => groupedPolyNorm(x, weight, bias, offsets, { shift: [1] }),
      /shift must be/,
    ],
    [
      'an up of another shape',
      () => groupedPolyNormGlu(x, tf.zeros([5, 6]), weight, bias, offsets),
      /up must/,
    ],
    ['a clamp of 0', () => groupedPolyNorm(x, weight, bias, offsets, { inputClamp: 0 }), /inputClamp is 0/],
    [
      'a scale of NaN',
      () => groupedPolyNorm(x, weight, bias, offsets, { outputScale: Number.NaN }),
      /outputScale is NaN/,
    ],
  ])('refuses %s', (_, call, message) => {
    const told = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
    expect(() => tf.tidy(() => void call())).toThrow(told);
  });
});
