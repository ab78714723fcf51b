import { setImmediate as nextTurn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { TokenSource } from 'polycom/data';
import { windowsInOrder } from 'polycom/data';
import type { Transformer } from 'polycom/model';
import { sequencesAtOnce } from 'polycom/model';
import type { TokenScore } from '../types.js';

/** How tokens are scored. */
export interface ScoreOptions {
  /** Windows at once. */
  readonly batch: number;
  /** Tokens of a window. */
  readonly time: number;
  /** Most windows, evenly spread over the tokens. */
  readonly windows: number;
  /** Ends it between two batches, by throwing its reason. */
  readonly signal?: AbortSignal;
}

/** A score of all tokens, and of each kind that was met. */
export interface Scores {
  readonly all: TokenScore;
  readonly kinds: Readonly<Record<string, TokenScore>>;
}

interface Sums {
  nats: number;
  right: number;
  tokens: number;
}

/**
 * Scores each next token of windows that are the same for every model: its cross-entropy, and whether it was the most
 * probable one.
 *
 * @param kindsOf of a window's targets: the kind of each token, or none; without it there are no kinds
 */
export async function scoreTokens(
  model: Transformer,
  source: TokenSource,
  { batch, time, windows, signal }: ScoreOptions,
  kindsOf?: (start: number, length: number) => readonly (string | undefined)[],
): Promise<Scores> {
  const all: Sums = { nats: 0, right: 0, tokens: 0 };
  const kinds = new Map<string, Sums>();
  let row = 0;
  const atOnce = { batch: sequencesAtOnce(model.config, batch, time), time, limit: windows };
  for (const { inputs, targets, rows } of windowsInOrder(source, atOnce)) {
    const [losses, guesses] = await foretell(model, inputs, targets, rows);
    for (let r = 0; r < rows; ++r, ++row) {
      const start = startOf(source, time, windows, row);
      const named = kindsOf?.(start + 1, time) ?? [];
      for (let t = 0; t < time; ++t) {
        const at = r * time + t;
        const right = Number(guesses[at] === targets[at]);
        add(all, losses[at]!, right);
        const kind = named[t];
        if (kind !== undefined) add(sumsOf(kinds, kind), losses[at]!, right);
      }
    }
    await nextTurn();
    signal?.throwIfAborted();
  }
  const named = [...kinds].map(([kind, sums]) => [kind, scoreOf(sums)]);
  return { all: scoreOf(all), kinds: Object.fromEntries(named) };
}

/** The loss of each target, and the most probable token in its place. */
async function foretell(model: Transformer, inputs: Int32Array, targets: Int32Array, rows: number) {
  const time = inputs.length / rows;
  const { losses, best } = tf.tidy(() =>
    model.score(tf.tensor2d(inputs, [rows, time], 'int32'), targets, { best: true }),
  );
  const values = await Promise.all([losses.data(), best!.data()]);
  tf.dispose([losses, best!]);
  return values;
}

/** Where the windows begin that `windowsInOrder` gives. */
function startOf({ length }: TokenSource, time: number, limit: number, row: number): number {
  const windows = Math.floor((length - 1) / time);
  return Math.floor((row * windows) / Math.min(windows, limit)) * time;
}

function sumsOf(kinds: Map<string, Sums>, kind: string): Sums {
  const found = kinds.get(kind) ?? { nats: 0, right: 0, tokens: 0 };
  kinds.set(kind, found);
  return found;
}

function add(sums: Sums, loss: number, right: number): void {
  sums.nats += loss;
  sums.right += right;
  ++sums.tokens;
}

function scoreOf({ nats, right, tokens }: Sums): TokenScore {
  const loss = nats / tokens;
  return { loss, perplexity: Math.exp(loss), top1: right / tokens, tokens };
}
