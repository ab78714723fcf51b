import { setImmediate as nextTurn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { windowsInOrder } from '../data/batches.js';
import { byteTokenizer } from '../data/bytes.js';
import type { Data } from '../data/open.js';
import type { TokenSource } from '../data/shards.js';
import type { Tokenizer } from '../data/tokenizer.js';
import { PolycomError } from '../errors.js';
import type { ModelConfig } from '../model/config.js';
import type { Transformer } from '../model/transformer.js';

/** How well a model foretells tokens. */
export interface Evaluation {
  /** The mean cross-entropy, in nats a token. */
  readonly loss: number;
  /** exp(loss). */
  readonly perplexity: number;
  /**
   * The cross-entropy in bits for each byte of the text, which compares models of different tokenizers; absent where
   * tokens are no text. Whatever ends a text counts with its bits, and as no byte.
   */
  readonly bitsPerByte?: number;
  /** Tokens that were foretold. */
  readonly tokens: number;
}

export interface EvaluateOptions {
  /** Windows at once. */
  readonly batch: number;
  /** Tokens of a window, each foretold from those before it in the window. */
  readonly time: number;
  /** The most batches, evenly spread over the tokens; all of them by default. */
  readonly batches?: number;
  /** Of the tokens; without it `bitsPerByte` is not known. */
  readonly tokenizer?: Tokenizer;
  /** Ends it between two batches, by throwing its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Evaluates a model on tokens: always on the same windows, in the same order, with nothing dropped.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where the tokens do not fill one window, or are not the model's
 */
export async function evaluate(
  model: Transformer,
  source: TokenSource,
  { batch, time, batches = Number.POSITIVE_INFINITY, tokenizer, signal }: EvaluateOptions,
): Promise<Evaluation> {
  checkVocabulary(model.config, source);
  let [nats, tokens, bytes] = [0, 0, 0];
  for (const { inputs, targets, rows } of windowsInOrder(source, { batch, time, limit: batches * batch })) {
    const crossEntropy = tf.tidy(() => {
      const words = (ids: Int32Array): tf.Tensor2D => tf.tensor2d(ids, [rows, time], 'int32');
      return model.loss(words(inputs), words(targets)).crossEntropy;
    });
    const [mean] = await crossEntropy.data();
    crossEntropy.dispose();
    nats += mean! * targets.length;
    tokens += targets.length;
    if (tokenizer !== undefined) bytes += bytesOf(targets, tokenizer);
    await nextTurn();
    signal?.throwIfAborted();
  }
  const loss = nats / tokens;
  const bits = bytes > 0 ? { bitsPerByte: nats / Math.LN2 / bytes } : {};
  return { loss, perplexity: Math.exp(loss), ...bits, tokens };
}

/** The tokenizer of data that is text; the synthetic language's tokens are none. */
export function textTokenizer({ entropy, tokenizer }: Data): { tokenizer?: Tokenizer } {
  return entropy === undefined ? { tokenizer } : {};
}

/** The bytes, in UTF-8, of the text that tokens are. */
function bytesOf(ids: Int32Array, tokenizer: Tokenizer): number {
  if (tokenizer.name !== byteTokenizer.name) return Buffer.byteLength(tokenizer.decode(ids));
  // Counted, for a window may begin or end inside a character, which decodes to more bytes.
  return ids.reduce((count, id) => (id === byteTokenizer.endOfText ? count : count + 1), 0);
}

/** @throws {PolycomError} `INVALID_ARGUMENT` where there may be tokens that the model does not know */
export function checkVocabulary({ vocabulary }: ModelConfig, source: TokenSource): void {
  if (source.vocabulary <= vocabulary) return;
  throw new PolycomError(
    'INVALID_ARGUMENT',
    `the data has a vocabulary of ${source.vocabulary}; expected one of the model's, ${vocabulary}`,
    { remedy: 'use the tokenizer of the model, or a model with the vocabulary of the data' },
  );
}
