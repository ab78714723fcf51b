import { afterAll, describe, expect, test } from 'vitest';
import type { Op, Sample } from '../../src/op/types.js';
import { crossentropyOp } from '../../src/transformer-ops/crossentropy.js';
import { embeddingOp } from '../../src/transformer-ops/embedding.js';
import { rotaryOp } from '../../src/transformer-ops/rotary.js';
import { emulatedCuda, native, runNative } from '../native/harness.js';

/** An op, the sample that is broken, its integers, and an element of theirs that each of `bad` is put in. */
interface Case {
  readonly name: string;
  readonly op: Op;
  readonly sample: string;
  readonly integers: string;
  readonly at: number;
  readonly bad: readonly number[];
  /** The elements of the output that the bad number makes NaN on CUDA. */
  readonly output: readonly number[];
  /** The elements of the gradient that it changes there, and what they are then. */
  readonly gradient: readonly number[];
  readonly value: number;
}

const cases: Case[] = [
  {
    name: 'crossentropy',
    op: crossentropyOp,
    sample: '[4, 7]',
    integers: 'labels',
    at: 2,
    bad: [7, -2, 2 ** 31 - 1, -(2 ** 31)],
    output: [2],
    gradient: range(14, 21),
    value: Number.NaN,
  },
  {
    name: 'embedding',
    op: embeddingOp,
    sample: 'ids that come again',
    integers: 'ids',
    at: 3,
    bad: [4, -1, 2 ** 31 - 1, -(2 ** 31)],
    output: range(9, 12),
    gradient: range(3, 6), // of the row that nothing else names
    value: 0,
  },
  {
    name: 'rotary',
    op: rotaryOp,
    sample: '[2,3,2,10]',
    integers: 'start',
    at: 1,
    bad: [7, -3, 2 ** 31 - 1, -(2 ** 31)],
    output: range(60, 120),
    gradient: range(60, 120),
    value: Number.NaN,
  },
];

function range(first: number, past: number): number[] {
  return Array.from({ length: past - first }, (_, i) => first + i);
}

const emulated = await emulatedCuda();
const cpu = native?.createQueue({ threads: 2 });
const cuda = emulated?.createQueue({ device: 'cuda' });
afterAll(() => {
  for (const queue of [cpu, cuda]) queue?.dispose();
});

describe.each(cases)('whole numbers out of range, in $integers of $name', (of) => {
  const { op, integers, at, bad } = of;
  const good = op.samples().find(({ title }) => title === of.sample)!;
  const broken = (value: number): Sample => {
    const { shape, values } = good.tensors[integers]!;
    // Doubles: a float does not hold every int32.
    const wide = Float64Array.from(values) as unknown as Float32Array;
    wide[at] = value;
    return { ...good, tensors: { ...good.tensors, [integers]: { shape, values: wide } } };
  };

  test.skipIf(cpu === undefined).each(bad)('are refused on the CPU, with the index: %d', (value) => {
    const refusal = (pass: string) =>
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(`${op.name}_${pass}: ${integers}\\[${at}\\] is ${value}; expected `),
      });
    expect(() => runNative(cpu!, op, broken(value))).toThrow(refusal('forward'));
    expect(() => runNative(cpu!, op, good, broken(value))).toThrow(refusal('backward'));
  });

  test.skipIf(cuda === undefined).each(bad)('give NaN, and nothing else wrong, on CUDA: %d', (value) => {
    const [wanted, got] = [runNative(cuda!, op, good), runNative(cuda!, op, broken(value))];
    expectBut(got.outputs[0]!, wanted.outputs[0]!, of.output, Number.NaN);
    expectBut(got.gradients[0]!, wanted.gradients[0]!, of.gradient, of.value);
  });
});

/** Expects the bits that are wanted, but `value` in some elements. */
function expectBut(
  got: Float32Array,
  wanted: Float32Array,
  elements: readonly number[],
  value: number,
): void {
  const expected = Float32Array.from(wanted);
  for (const i of elements) expected[i] = value;
  expect(got).toEqual(expected);
}
