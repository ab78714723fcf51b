import { setImmediate as nextTurn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Data } from 'polycom/data';
import type { Transformer } from 'polycom/model';
import { sequencesAtOnce } from 'polycom/model';
import { CHOICES, type Continuation, choiceTask, clozeTask, type Item, type Task } from './tasks.js';

/** A share of items that were right. */
export interface Share {
  readonly value: number;
  /** Its standard error: the sample's standard deviation over √items. */
  readonly error: number;
}

/** How a model does on tasks made from held-out text. */
export interface Downstream {
  readonly cloze: ClozeScore;
  readonly choice: ChoiceScore;
}

/** Of the cloze: is each token of the word the most probable one. */
export interface ClozeScore {
  readonly items: number;
  readonly accuracy: Share;
  /** Mean cross-entropy of the whole word, in nats. */
  readonly loss: number;
  /** Of the synthetic language: what the language itself, as a model, gets right of these items. */
  readonly oracle?: number;
}

/** Of multiple choice: is the true continuation the most probable one of four. */
export interface ChoiceScore {
  readonly items: number;
  /** By log-likelihood: lm-eval's `acc`. */
  readonly accuracy: Share;
  /** By log-likelihood over length in bytes (in tokens, where they are no text): lm-eval's `acc_norm`. */
  readonly normalised: Share;
  /** What guessing gets right. */
  readonly chance: number;
  /** As of the cloze. */
  readonly oracle?: number;
}

/** How {@link measureDownstream} asks. */
export interface DownstreamOptions {
  /** Items of each task; 256. Fewer where the held-out tokens have room for fewer. */
  readonly items?: number;
  /** Tokens of a passage; the model's context. */
  readonly time?: number;
  /** Which passages and distractors; 0. The same for every model that is compared. */
  readonly seed?: number;
  /** Sequences at once; 16. */
  readonly batch?: number;
}

/**
 * Tasks made from held-out tokens, a surrogate of the paper's suite, scored as lm-eval scores that: see
 * {@link clozeTask} and {@link choiceTask}. The same items for the same data, time and seed.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where the held-out tokens have too few passages
 */
export async function measureDownstream(
  model: Transformer,
  data: Data,
  { items = 256, time = model.config.context, seed = 0, batch = 16 }: DownstreamOptions = {},
): Promise<Downstream> {
  const options = { items, time, seed };
  const cloze = clozeTask(data, options);
  const choice = choiceTask(data, options);
  return {
    cloze: clozeScore(cloze, await scoreAll(model, cloze.items, time, batch), model.config.vocabulary),
    choice: choiceScore(choice, await scoreAll(model, choice.items, time, batch)),
  };
}

/** What a model says of a continuation. */
interface Score {
  readonly logLikelihood: number;
  /** Whether each token was the most probable one after those before it. */
  readonly greedy: boolean;
}

/** The scores of each item's continuations. */
async function scoreAll(model: Transformer, items: readonly Item[], time: number, batch: number) {
  const questions = items.flatMap(({ context, continuations }) =>
    continuations.map(({ tokens }) => ({ context, tokens })),
  );
  const scores: Score[] = [];
  const atOnce = sequencesAtOnce(model.config, batch, time);
  for (let from = 0; from < questions.length; from += atOnce) {
    scores.push(...(await scoreBatch(model, questions.slice(from, from + atOnce), time)));
    await nextTurn();
  }
  let next = 0;
  return items.map(({ continuations }) => continuations.map(() => scores[next++]!));
}

interface Question {
  readonly context: readonly number[];
  readonly tokens: readonly number[];
}

async function scoreBatch(
  model: Transformer,
  questions: readonly Question[],
  time: number,
): Promise<Score[]> {
  const inputs = new Int32Array(questions.length * time);
  const targets = new Int32Array(questions.length * time).fill(-1);
  for (const [row, { context, tokens }] of questions.entries()) {
    // What follows does not matter to what was before.
    inputs.set([...context, ...tokens.slice(0, -1)], row * time);
    targets.set(tokens, row * time + context.length - 1);
  }
  const { losses, best } = tf.tidy(() =>
    model.score(tf.tensor2d(inputs, [questions.length, time], 'int32'), targets, { best: true }),
  );
  const [nats, guesses] = await Promise.all([losses.data(), best!.data()]);
  tf.dispose([losses, best!]);
  let scored = 0;
  return questions.map(({ tokens }) => {
    const from = scored;
    scored += tokens.length;
    return {
      logLikelihood: -tokens.reduce((sum, _, i) => sum + nats[from + i]!, 0),
      greedy: tokens.every((token, i) => guesses[from + i] === token),
    };
  });
}

function clozeScore({ items, truth }: Task, scores: readonly Score[][], vocabulary: number): ClozeScore {
  const loss = scores.reduce((sum, [score]) => sum - score!.logLikelihood, 0) / items.length;
  const accuracy = shareOf(scores.map(([score]) => score!.greedy));
  if (truth === undefined) return { items: items.length, accuracy, loss };
  const tokens = [...Array(vocabulary).keys()].map((token): Continuation => ({ tokens: [token], length: 1 }));
  const right = items.map((item) => {
    const best = argmax(tokens.map((token) => truth(item, token)));
    return best === item.continuations[0]!.tokens[0];
  });
  return { items: items.length, accuracy, loss, oracle: shareOf(right).value };
}

function choiceScore({ items, truth }: Task, scores: readonly Score[][]): ChoiceScore {
  const rightBy = (value: (item: number, choice: number) => number): boolean[] =>
    items.map(({ continuations }, i) => isFirstBest(continuations.map((_, c) => value(i, c))));
  const logLikelihood = (i: number, c: number): number => scores[i]![c]!.logLikelihood;
  const score = {
    items: items.length,
    accuracy: shareOf(rightBy(logLikelihood)),
    normalised: shareOf(rightBy((i, c) => logLikelihood(i, c) / items[i]!.continuations[c]!.length)),
    chance: 1 / CHOICES,
  };
  if (truth === undefined) return score;
  const right = rightBy((i, c) => truth(items[i]!, items[i]!.continuations[c]!));
  return { ...score, oracle: shareOf(right).value };
}

/** Whether the first is larger than all others: not one of equals, and a number. */
function isFirstBest([first, ...others]: readonly number[]): boolean {
  return others.every((other) => first! > other);
}

/** The first of the largest. */
function argmax(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

function shareOf(right: readonly boolean[]): Share {
  const value = right.filter((one) => one).length / right.length;
  return { value, error: Math.sqrt((value * (1 - value)) / Math.max(1, right.length - 1)) };
}
