import * as tf from '@tensorflow/tfjs-core';
import { asIntegers, asTensor, type Input, invalid } from '../op/check.js';
import { Sums } from '../op/reference.js';
import { runFused } from './run.js';
import { randomIntegers, randomTensor } from './sample.js';
import type { OpSample, TransformerOp, Values } from './types.js';

function forward(table: Values, ids: Values): Sums {
  const cols = table.shape[1]!;
  const y = new Sums(ids.values.length * cols);
  for (const [n, id] of ids.values.entries()) {
    for (let c = 0; c < cols; ++c) y.add(n * cols + c, table.values[id * cols + c]!);
  }
  return y;
}

function backward(table: Values, ids: Values, dy: Float64Array): Sums {
  const cols = table.shape[1]!;
  const dtable = new Sums(table.values.length);
  for (const [n, id] of ids.values.entries()) {
    for (let c = 0; c < cols; ++c) dtable.add(id * cols + c, dy[n * cols + c]!);
  }
  return dtable;
}

function composed([table, ids]: readonly tf.Tensor[]): tf.Tensor[] {
  const [rows, cols] = table!.shape as [number, number];
  if (ids!.size === 0 || rows * cols === 0) return [tf.zeros([ids!.size, cols])];
  return [tf.gather(table!, ids as tf.Tensor1D)];
}

function composedGradients([table, ids]: readonly tf.Tensor[], [dy]: readonly tf.Tensor[]): tf.Tensor[] {
  const [rows, cols] = table!.shape as [number, number];
  if (dy!.size === 0) return [tf.zeros([rows, cols])];
  return [tf.unsortedSegmentSum(dy!, ids as tf.Tensor1D, rows)];
}

function samples(): OpSample[] {
  const shapes: [rows: number, cols: number, count: number][] = [
    [1, 1, 1],
    [7, 5, 20],
    [50, 64, 9],
    [300, 70, 40],
    [3, 300, 700],
    [2000, 3, 100],
    [5, 8, 0],
    [5, 0, 3],
    [0, 4, 0],
  ];
  const ids = { shape: [6], values: Float32Array.of(3, 0, 3, 1, 3, 0) };
  return [
    ...shapes.map(([rows, cols, count]) => ({
      title: `[${rows}, ${cols}], ${count} ids`,
      tensors: {
        table: randomTensor([rows, cols], rows),
        ids: randomIntegers([count], count, 0, rows),
      },
    })),
    { title: 'ids that come again', tensors: { table: randomTensor([4, 3], 1), ids } },
    { title: 'values of 1e30', tensors: { table: randomTensor([4, 3], 1, 1e30), ids } },
  ];
}

/** The row of the embedding. */
export const embeddingOp: TransformerOp = {
  name: 'embedding',
  kernelName: 'Embedding',
  inputs: ['table', 'ids'],
  integers: ['ids'],
  outputs: ['y'],
  differentiable: ['y'],
  kept: ['table', 'ids'],
  gradients: ['table'],
  scalars: {},
  reference: {
    forward: ({ table, ids }) => [forward(table!, ids!)],
    backward: ({ table, ids }, [dy]) => [backward(table!, ids!, dy!)],
  },
  composed,
  composedGradients,
  samples,
};

/**
 * The rows of a table that `ids` names: token embeddings, or any gather of rows. The gradient adds up the rows of one id
 * in the order of the ids: the same bits each time.
 *
 * @param table float32 [rows, cols]
 * @param ids int32 [count], from 0 to rows - 1
 * @returns float32 [count, cols]
 * @throws {PolycomError} `INVALID_ARGUMENT` for shapes or dtypes that do not fit
 * @throws {Error} of the backend's for an id out of range, where it runs on the CPU; on a GPU its row is NaN, and it has
 *   no part in the gradient
 */
export function embedding(table: Input, ids: Input): tf.Tensor2D {
  return tf.tidy('embedding', () => {
    const tensors = {
      table: asTensor('embedding', 'table', table),
      ids: asIntegers('embedding', 'ids', ids),
    };
    if (tensors.table.rank !== 2 || tensors.ids.rank !== 1)
      throw invalid('embedding', 'table must be [rows, cols], ids [count]', tensors);
    return runFused<tf.Tensor2D>(embeddingOp, [tensors.table, tensors.ids]);
  });
}
