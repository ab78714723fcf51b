import { setImmediate as nextTurn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { invalidArgument } from '../common/errors.js';
import { checkNames, type Names } from '../common/options.js';
import { type Batch, windowsInOrder } from '../data/batches.js';
import type { Data } from '../data/open.js';
import type { TokenSource } from '../data/shards.js';
import { byteCounter } from '../data/text-bytes.js';
import type { Tokenizer } from '../data/tokenizer.js';
import { sequencesAtOnce } from '../model/at-once.js';
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
  /** Windows at once; fewer where they would take much memory. */
  readonly batch: number;
  /** Tokens of a window, each foretold from those before it in the window. With `begin`, at most the model's context. */
  readonly time: number;
  /**
   * Tokens that stand before each window, unless it begins with them itself: `begin` of a model that was loaded. What
   * they foretell is not counted. None by default.
   */
  readonly begin?: readonly number[];
  /** The most batches, evenly spread over the tokens; all of them by default. */
  readonly batches?: number;
  /** Of the tokens; without it `bitsPerByte` is not known. */
  readonly tokenizer?: Tokenizer;
  /** Ends it between two batches, by throwing its reason. */
  readonly signal?: AbortSignal;
}

const OPTIONS: Names<EvaluateOptions> = {
  batch: true,
  time: true,
  batches: true,
  begin: true,
  tokenizer: true,
  signal: true,
};

/**
 * Evaluates a model on tokens: always on the same windows, in the same order, with nothing dropped. Neither the windows
 * at once nor the vocabulary decide what memory it takes.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where the tokens do not fill one window, or are not the model's; where a
 *   window is longer than the context has room for
 */
export async function evaluate(
  model: Transformer,
  source: TokenSource,
  options: EvaluateOptions,
): Promise<Evaluation> {
  checkNames('evaluate', options, OPTIONS);
  const { batch, time, batches = Number.POSITIVE_INFINITY, begin = [], tokenizer, signal } = options;
  const { config } = model;
  checkVocabulary(config, source);
  checkTime(config, time, begin);
  const atOnce = { batch: sequencesAtOnce(config, batch, time + begin.length), time, limit: batches * batch };
  let [nats, tokens, bytes] = [0, 0, 0];
  for (const windows of windowsInOrder(source, atOnce)) {
    for (const loss of await lossesOf(model, behind(begin, windows, time))) nats += loss;
    tokens += windows.targets.length;
    if (tokenizer !== undefined) bytes += bytesOf(windows, tokenizer);
    await nextTurn();
    signal?.throwIfAborted();
  }
  const loss = nats / tokens;
  const bits = bytes > 0 ? { bitsPerByte: nats / Math.LN2 / bytes } : {};
  return { loss, perplexity: Math.exp(loss), ...bits, tokens };
}

/** The cross-entropy of each token that is to be foretold. */
async function lossesOf(model: Transformer, { inputs, targets, rows }: Batch): Promise<Float32Array> {
  const losses = tf.tidy(() => {
    const tokens = tf.tensor2d(inputs, [rows, inputs.length / rows], 'int32');
    return model.score(tokens, targets).losses;
  });
  const values = await losses.data<'float32'>();
  losses.dispose();
  return values;
}

/** Windows, each behind the tokens that begin a text; one that begins so itself has something behind it instead. */
function behind(begin: readonly number[], { inputs, targets, rows }: Batch, time: number): Batch {
  if (begin.length === 0) return { inputs, targets, rows };
  const width = begin.length + time;
  const longer = {
    inputs: new Int32Array(rows * width),
    targets: new Int32Array(rows * width).fill(-1),
    rows,
  };
  for (let row = 0; row < rows; ++row) {
    const window = inputs.subarray(row * time, (row + 1) * time);
    const at = row * width + (begin.every((id, i) => window[i] === id) ? 0 : begin.length);
    longer.inputs.set(begin, row * width);
    longer.inputs.set(window, at);
    longer.targets.set(targets.subarray(row * time, (row + 1) * time), at);
  }
  return longer;
}

/** The tokenizer of data that is text; the synthetic language's tokens are none. */
export function textTokenizer({ entropy, tokenizer }: Data): { tokenizer?: Tokenizer } {
  return entropy === undefined ? { tokenizer } : {};
}

/** The bytes, in UTF-8, of the text that the targets are, each where it stands. */
function bytesOf({ inputs, targets }: Batch, tokenizer: Tokenizer): number {
  const bytes = byteCounter(tokenizer);
  const { endOfText } = tokenizer;
  // Behind the end of a text another begins.
  return targets.reduce((sum, id, i) => sum + bytes(id, inputs[i] === endOfText), 0);
}

function checkTime({ context, vocabulary }: ModelConfig, time: number, begin: readonly number[]): void {
  const strange = begin.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabulary));
  if (strange !== undefined) {
    throw invalidArgument(
      `the token ${strange} is to begin windows; the model's vocabulary has ${vocabulary}`,
    );
  }
  const most = context - begin.length;
  if (time <= most) return;
  const begins =
    begin.length === 0 ? '' : `, of which ${begin.length} begin${begin.length === 1 ? 's' : ''} each window`;
  throw invalidArgument(
    `time is ${time}; expected at most ${most}: the model's context has room for ${context} tokens${begins}`,
    { remedy: `shorter windows: --time ${most}` },
  );
}

/** @throws {PolycomError} `INVALID_ARGUMENT` where there may be tokens that the model does not know */
export function checkVocabulary({ vocabulary }: ModelConfig, source: TokenSource): void {
  if (source.vocabulary <= vocabulary) return;
  throw invalidArgument(
    `the data has a vocabulary of ${source.vocabulary}; expected one of the model's, ${vocabulary}`,
    { remedy: 'use the tokenizer of the model, or a model with the vocabulary of the data' },
  );
}
