import * as tf from '@tensorflow/tfjs-core';
import { callOp } from '../op/call.js';
import type { Input } from '../op/check.js';
import { inEveryStorage, randomIntegers, randomTensor } from '../op/sample.js';
import { Sums } from '../op/sums.js';
import type { Op, Sample, Values } from '../op/types.js';

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

function samples(): Sample[] {
  const shapes: [rows: number, cols: number, count: number][] = [
    [1, 1, 1],
    [7, 5, 20],
    [50, 64, 9],
    [300, 70, 40],
    [3, 300, 700],
    [9, 2, 5000],
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
export const embeddingOp: Op<'embedding'> = {
  name: 'embedding',
  kernelName: 'Embedding',
  label: 'Embedding',
  source: 'https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html',
  inputs: ['table', 'ids'],
  integers: ['ids'],
  outputs: ['y'],
  differentiable: ['y'],
  kept: ['table', 'ids'],
  gradients: ['table'],
  parameters: { table: { shape: ['rows', 'cols'], first: 'random' } },
  scalars: {},
  storage: 'any',
  f32: [],
  reference: {
    forward: ({ table, ids }) => [forward(table!, ids!)],
    backward: ({ table, ids }, [dy]) => [backward(table!, ids!, dy!)],
  },
  composed,
  composedGradients,
  samples: () => inEveryStorage(embeddingOp, samples()),
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
  return callOp('embedding', embeddingOp, { table, ids }, {}, (tensors) => {
    if (tensors.table.rank === 2 && tensors.ids.rank === 1) return undefined;
    return 'table must be [rows, cols], ids [count]';
  });
}
