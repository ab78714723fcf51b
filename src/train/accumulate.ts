import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../common/errors.js';
import type { Batch, Batches, BatchesState } from '../data/batches.js';
import type { Losses, LossOptions, Transformer } from '../model/transformer.js';

/** Losses as numbers: the means over batches. */
export interface LossValues {
  /** Cross-entropy, and a mixture's losses with their weights. */
  readonly loss: number;
  readonly crossEntropy: number;
  /** A mixture's load-balance and router-z losses, the means over layers. */
  readonly balance?: number;
  readonly z?: number;
}

/** What several batches together say of the model. */
export interface Accumulated {
  readonly losses: LossValues;
  /** By parameter name: the sums over the batches, in new tensors. */
  readonly gradients: Map<string, tf.Tensor>;
}

export interface AccumulateOptions extends Omit<LossOptions, 'step'> {
  /** How many batches. */
  readonly count: number;
  /** Tokens of a row. */
  readonly time: number;
  /** The number of the first batch, which decides what dropout drops; the others follow it. */
  readonly first: number;
}

/**
 * Adds up the gradients of the next batches, one batch in memory at a time.
 *
 * @throws {PolycomError} `NOT_FINITE` where a loss is NaN or infinite, at the first such batch, which it names
 */
export async function accumulate(
  model: Transformer,
  batches: Batches,
  { count, time, first, ...options }: AccumulateOptions,
): Promise<Accumulated> {
  const sums: Record<string, number> = {};
  let gradients: Map<string, tf.Tensor> | undefined;
  for (let i = 0; i < count; ++i) {
    const from = batches.state;
    const result = gradientsOf(model, batches.next(), time, { ...options, step: first + i });
    const values = await read(result.losses);
    gradients = gradients === undefined ? result.gradients : added(gradients, result.gradients);
    if (!Number.isFinite(values.loss)) {
      tf.dispose([...gradients.values()]);
      throw notFinite(`the loss is ${values.loss}`, from, batches.state);
    }
    for (const [name, value] of Object.entries(values)) sums[name] = (sums[name] ?? 0) + value;
  }
  const means = Object.entries(sums).map(([name, sum]) => [name, sum / count]);
  return { losses: Object.fromEntries(means) as LossValues, gradients: gradients! };
}

/** The error of training that diverged, on windows from one position in the data up to another. */
export function notFinite(what: string, from: BatchesState, to: BatchesState): PolycomError {
  const last =
    to.epoch === from.epoch ? `${to.window - 1}` : `the last one, and the first of epoch ${to.epoch}`;
  return new PolycomError(
    'NOT_FINITE',
    `${what} on windows ${from.window} to ${last} of epoch ${from.epoch}`,
  );
}

function gradientsOf(
  model: Transformer,
  { inputs, targets, rows }: Batch,
  time: number,
  options: LossOptions,
) {
  const words = [inputs, targets].map((ids) => tf.tensor2d(ids, [rows, time], 'int32'));
  const { gradients, ...losses } = model.gradients(words[0]!, words[1]!, options);
  tf.dispose(words);
  return { gradients, losses };
}

/** Losses as numbers; the tensors are disposed of. */
async function read(losses: Losses): Promise<LossValues> {
  const entries = Object.entries(losses) as [string, tf.Scalar][];
  const values = await Promise.all(entries.map(async ([name, scalar]) => [name, (await scalar.data())[0]!]));
  tf.dispose(entries.map(([, scalar]) => scalar));
  return Object.fromEntries(values) as LossValues;
}

/** The sums of gradients by name, in place of both. */
function added(a: ReadonlyMap<string, tf.Tensor>, b: ReadonlyMap<string, tf.Tensor>): Map<string, tf.Tensor> {
  return new Map(
    Array.from(a, ([name, one]) => {
      const other = b.get(name)!;
      const sum = tf.add(one, other);
      tf.dispose([one, other]);
      return [name, sum];
    }),
  );
}
