import { describe, expect, test } from 'vitest';
import { scalarsOf, valuesOf } from '../../src/fused/expected.js';
import { groupedpolynormgluOp, groupedpolynormOp } from '../../src/fused/groupedpolynorm.js';
import type { OpSample, TransformerOp } from '../../src/fused/types.js';
import { decode, encoded, LARGEST_F8, rounded } from '../../src/native/dtype.js';
import type { Queue } from '../../src/native/queue.js';
import type { Dtype } from '../../src/native/types.js';
import { normal, uniform } from '../../src/op/sample.js';
import { queuePairs } from '../native/harness.js';
import { callNative, type NativeInput, nativeTensor } from './harness.js';

const hosts = await queuePairs([1, 3]);

const codes = Uint8Array.from({ length: 256 }, (_, code) => code);

/** What a code stands for, by the format's definition: a sign, 4 bits of exponent, 3 of fraction, no infinity. */
function meaning(code: number): number {
  const [exponent, fraction] = [(code >> 3) & 15, code & 7];
  if ((code & 0x7f) === 0x7f) return Number.NaN;
  const size = exponent === 0 ? (fraction / 8) * 2 ** -6 : (1 + fraction / 8) * 2 ** (exponent - 7);
  return code & 0x80 ? -size : size;
}

/** The float next to one, `by` patterns further from 0. */
function beside(value: number, by: number): number {
  const pattern = new Uint32Array(Float32Array.of(value).buffer);
  return new Float32Array(pattern.map((bits) => bits + by).buffer)[0]!;
}

/** Floats and their codes: all that are exact, the middles of neighbours, what is beside those, what is too large. */
function roundings(): { value: number; code: number }[] {
  const exact = Array.from(codes, (code) => ({ value: meaning(code), code })).filter(
    ({ code }) => code !== 0xff,
  );
  const between = Array.from({ length: 0x7e }, (_, code) => {
    const middle = (meaning(code) + meaning(code + 1)) / 2;
    return [
      { value: middle, code: code + (code & 1) },
      { value: beside(middle, -1), code },
      { value: beside(middle, 1), code: code + 1 },
    ];
  }).flat();
  const large = [449, 463, 464, 465, 480, 512, 1e30, Number.POSITIVE_INFINITY].map((value) => ({
    value,
    code: 0x7e,
  }));
  const positive = [...between, ...large, { value: 1e-30, code: 0 }];
  return [
    ...exact,
    ...positive,
    ...positive.map(({ value, code }) => ({ value: -value, code: code | 0x80 })),
  ];
}

test('f8e4m3 in TypeScript: all 256 codes, ties, saturation, NaN', () => {
  expect(decode(codes, 'f8e4m3')).toEqual(Float32Array.from(codes, meaning));
  const table = roundings();
  const got = encoded(
    Float32Array.from(table, ({ value }) => value),
    'f8e4m3',
  );
  expect([...got]).toEqual(table.map(({ code }) => code));
  for (const { value, code } of table) expect(rounded(value, 'f8e4m3')).toBe(meaning(code));
});

/** The forward pass of a sample of the op that is quantised, with a static scale or one a row. */
function quantize(queue: Queue, op: TransformerOp, sample: OpSample, scale?: number, dtype: Dtype = 'f32') {
  const inputs: NativeInput[] = op.inputs.map((name) =>
    nativeTensor(op, sample, name, name === 'x' || name === 'up' ? dtype : 'f32'),
  );
  inputs.push(
    scale === undefined
      ? { data: new Float32Array(), shape: [0] }
      : { data: Float32Array.of(scale), shape: [] },
  );
  const scalars = Object.values(scalarsOf(op, sample));
  const name = op.name.replace('grouped', 'quantized');
  const [y, scales] = callNative(queue, name, inputs, scalars, 2);
  expect(y!.dtype).toBe('f8e4m3');
  expect(y!.shape).toEqual(sample.tensors.x!.shape);
  return { y: y!.data as Uint8Array, scales: scales!.data as Float32Array };
}

/** A call of the gated op whose values are `values`: PolyNorm of 1 with weight 0 and bias 1 is 1. */
function passing(values: Float32Array, rows: number = 1): OpSample {
  const shape = [rows, values.length / rows];
  return {
    title: '',
    tensors: {
      x: { shape, values: new Float32Array(values.length).fill(1) },
      up: { shape, values },
      weight: { shape: [1, 1], values: Float32Array.of(0) },
      bias: { shape: [1], values: Float32Array.of(1) },
      offsets: { shape: [0], values: new Float32Array() },
      shift: { shape: [0], values: new Float32Array() },
    },
  };
}

describe.each(hosts)('quantised PolyNorm on $host', ({ host, queues }) => {
  if (queues === undefined) return test.skip('needs the library', () => undefined);
  const queue = queues[0]!;

  test('rounds as the format says: all 256 codes, ties, saturation, NaN', () => {
    const table = roundings();
    const { y, scales } = quantize(
      queue,
      groupedpolynormgluOp,
      passing(Float32Array.from(table, (e) => e.value)),
      1,
    );
    expect([...y]).toEqual(table.map(({ code }) => code));
    expect([...scales]).toEqual([1]);
  });

  test('rounds any float as TypeScript does', () => {
    const next = uniform(5);
    const values = normal(4001, 4).map((value) => value * 2 ** Math.floor(24 * next() - 14));
    const { y } = quantize(queue, groupedpolynormgluOp, passing(values), 1);
    expect(y).toEqual(encoded(values, 'f8e4m3'));
  });

  test('scales a row by its largest value, and by 1 where there is none', () => {
    const values = Float32Array.of(1, -896, 3, 0, 0, 0, Number.NaN, -2, 1, 1e-45, 0, 0);
    const { y, scales } = quantize(queue, groupedpolynormgluOp, passing(values, 4));
    expect([...scales]).toEqual([2, 1, Math.fround(2 / 448), 1]);
    expect([...y.subarray(0, 6)]).toEqual([...encoded(Float32Array.of(0.5, -448, 1.5, 0, 0, 0), 'f8e4m3')]);
    expect([...decode(y.subarray(6), 'f8e4m3')]).toEqual([Number.NaN, -448, 224, 0, 0, 0]);
  });

  test.each([groupedpolynormOp, groupedpolynormgluOp])('$name agrees with its reference', (op) => {
    for (const dtype of ['f32', 'f16', 'bf16'] as const) {
      for (const sample of op.samples()) {
        if (dtype === 'f16' && /values of 1[0e]/.test(sample.title)) continue; // no f16 holds those
        const tensors = Object.entries(sample.tensors).map(([name, { shape, values }]) => [
          name,
          { shape, values: name === 'x' || name === 'up' ? values.map((v) => rounded(v, dtype)) : values },
        ]);
        const stored: OpSample = { ...sample, tensors: Object.fromEntries(tensors) };
        const [wanted] = op.reference.forward(valuesOf(stored), scalarsOf(op, stored));
        const cols = sample.tensors.x!.shape.at(-1)!;
        for (const scale of [undefined, 0.01]) {
          const { y, scales } = quantize(queue, op, stored, scale, dtype);
          for (const [r, used] of scales.entries()) {
            const row = wanted!.value.subarray(r * cols, (r + 1) * cols);
            const most = row.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
            const ideal = scale ?? (most === 0 ? 1 : most / LARGEST_F8);
            expect(Math.abs(used - ideal), `${sample.title}: scale ${r}`).toBeLessThanOrEqual(1e-5 * ideal);
          }
          // The largest error, in units of what rounding to 8 bits, and float before it, may do.
          let worst = 0;
          for (const [i, got] of decode(y, 'f8e4m3').entries()) {
            const used = scales[Math.floor(i / cols)]!;
            const value = Math.max(-LARGEST_F8, Math.min(LARGEST_F8, wanted!.value[i]! / used));
            const unit = 2 ** Math.max(Math.floor(Math.log2(Math.abs(value))) - 3, -9);
            worst = Math.max(worst, Math.abs(got - value) / (unit / 2 + (2e-6 * wanted!.terms[i]!) / used));
          }
          expect(worst, sample.title).toBeLessThanOrEqual(1);
        }
      }
    }
  });

  test('gives the same bits again, and on another queue', () => {
    const sample = groupedpolynormgluOp.samples().find(({ title }) => title.startsWith('[300,260]'))!;
    const first = quantize(queue, groupedpolynormgluOp, sample);
    for (const another of queues) expect(quantize(another, groupedpolynormgluOp, sample)).toEqual(first);
  });

  test('with offsets that do not rise refuses on the CPU, and gives NaN on CUDA', () => {
    const sample = groupedpolynormOp.samples().find(({ title }) => title === 'rows of no group')!;
    const offsets = { shape: [3], values: Float32Array.of(0, 5, 4) };
    const call = () =>
      quantize(queue, groupedpolynormOp, { ...sample, tensors: { ...sample.tensors, offsets } });
    if (host === 'the CPU') return expect(call).toThrow(/offsets\[2\] is 4; expected 5 to 8/);
    const { y, scales } = call();
    expect(y.every((code) => code === 0x7f)).toBe(true);
    expect(scales.every(Number.isNaN)).toBe(true);
  });
});
