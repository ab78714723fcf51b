import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  crossEntropy,
  dropout,
  embedding,
  rmsNorm,
  rotary,
  rotaryTable,
} from '../../src/transformer-ops/index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const floats = (...shape: number[]): tf.Tensor => tf.zeros(shape);
const integers = (...shape: number[]): tf.Tensor => tf.zeros(shape, 'int32');

describe('a function of the fused ops', () => {
  test.each<[string, () => unknown, RegExp]>([
    ['a weight of another length', () => rmsNorm(floats(2, 3), floats(2)), /weight must be \[cols\]/],
    ['an epsilon below 0', () => rmsNorm(floats(2, 3), floats(3), { epsilon: -1 }), /epsilon is -1/],
    ['logits of rank 3', () => crossEntropy(floats(1, 2, 3), integers(2)), /labels must be \[rows\]/],
    ['fewer labels than rows', () => crossEntropy(floats(4, 3), integers(2)), /labels \[2\]/],
    ['logits of no classes', () => crossEntropy(floats(4, 0), integers(4)), /cols 1 or more/],
    ['labels that are floats', () => crossEntropy(floats(4, 3), floats(4)), /expected int32/],
    ['logits that are integers', () => crossEntropy(integers(4, 3), integers(4)), /toFloat/],
    ['a table of rank 1', () => embedding(floats(4), integers(4)), /table must be \[rows, cols\]/],
    ['ids of rank 2', () => embedding(floats(4, 2), integers(2, 2)), /ids \[count\]/],
    ['an odd width', () => rotary(floats(1, 2, 1, 3), floats(2, 3), integers(1)), /width even/],
    ['a table of another width', () => rotary(floats(1, 2, 1, 4), floats(2, 2), integers(1)), /\[2, 2\]/],
    ['fewer positions than time', () => rotary(floats(1, 3, 1, 4), floats(2, 4), integers(1)), /as time/],
    [
      'a start short of the batch',
      () => rotary(floats(2, 2, 1, 4), floats(2, 4), integers(1)),
      /start \[1\]/,
    ],
    ['half a position', () => rotaryTable({ positions: 1.5, width: 4 }), /positions is 1.5/],
    [
      'an odd width of a table',
      () => rotaryTable({ positions: 2, width: 3 }),
      /width is 3; expected an even/,
    ],
    ['a base of 0', () => rotaryTable({ positions: 2, width: 4, base: 0 }), /base is 0/],
    ['a rate of 1', () => dropout(floats(3), integers(2), { rate: 1 }), /rate is 1/],
    ['a rate that float rounds to 1', () => dropout(floats(3), integers(2), { rate: 1 - 2 ** -40 }), /rate/],
    ['no number for a rate', () => dropout(floats(3), integers(2), { rate: Number.NaN }), /rate is NaN/],
    ['a seed of three', () => dropout(floats(3), integers(3), { rate: 0.5 }), /seed must be \[2\]/],
  ])('refuses %s', (_, run, message) => {
    const told = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
    expect(() => tf.tidy(() => void run())).toThrow(told);
  });

  test('takes arrays for tensors', () => {
    const loss = crossEntropy(
      [
        [0, 0],
        [0, 0],
      ],
      [1, -1],
    );
    expect(loss.arraySync()).toEqual([Math.fround(Math.log(2)), 0]);
    loss.dispose();
    const rows = embedding(
      [
        [1, 2],
        [3, 4],
      ],
      [1, 0, 1],
    );
    expect(rows.arraySync()).toEqual([
      [3, 4],
      [1, 2],
      [3, 4],
    ]);
    rows.dispose();
  });
});

describe('rotary', () => {
  test('turns by the angle between positions: products of q and k depend on their distance alone', () => {
    const table = rotaryTable({ positions: 64, width: 8 });
    const vector = (values: number[]) => tf.tensor(values, [1, 1, 1, 8]);
    const [q, k] = [vector([1, -2, 3, 0.5, 2, 1, -1, 4]), vector([0.3, 1, -1, 2, 2, -3, 1, 0.1])];
    const product = (a: number, b: number): number =>
      tf.tidy(() => tf.sum(tf.mul(rotary(q, table, [a]), rotary(k, table, [b]))).dataSync()[0]!);
    expect(product(9, 4)).toBeCloseTo(product(60, 55), 4);
    expect(Math.abs(product(9, 4) - product(9, 8))).toBeGreaterThan(0.1);
    expect(product(5, 5)).toBeCloseTo(
      tf.tidy(() => tf.sum(tf.mul(q, k)).dataSync()[0]!),
      4,
    );
    tf.dispose([table, q, k]);
  });

  test('has the angles of position · base^(-2 i / width)', () => {
    const table = rotaryTable({ positions: 3, width: 4, base: 100 });
    const row = [Math.cos(2), Math.cos(0.2), Math.sin(2), Math.sin(0.2)].map(Math.fround);
    expect(table.arraySync()[2]).toEqual(row);
    table.dispose();
  });
});
