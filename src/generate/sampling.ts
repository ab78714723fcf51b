import { invalidArgument, type PolycomError } from '../common/errors.js';
import { checkNames } from '../common/options.js';
import { RULES, type SamplingOptions } from './options.js';

/**
 * Chooses a token, in f64 and in the order of Hugging Face's transformers: repetition penalty, temperature, top-k, top-p,
 * then a draw. Of equally probable tokens the lower ones come first.
 *
 * @param logits of every token; they are not changed
 * @param seen the tokens that the text already has, its prompt's included
 * @param random gives numbers in [0, 1); called once, or not at all where the temperature is 0
 * @throws {PolycomError} `INVALID_ARGUMENT` where the logits are no distribution: NaN, infinity, or all -infinity
 */
export function sampleToken(
  logits: ArrayLike<number>,
  seen: Iterable<number>,
  options: SamplingOptions,
  random: () => number,
): number {
  checkNames('sampleToken', options, RULES); // those of `generate` too, which may be handed on
  const { temperature = 1, topK = logits.length, topP = 1, repetitionPenalty = 1 } = options;
  const scores = Float64Array.from(logits);
  penalise(scores, seen, repetitionPenalty);
  const best = highest(scores);
  if (temperature === 0) return best;
  const top = scores[best]!;
  for (let i = 0; i < scores.length; ++i) scores[i] = (scores[i]! - top) / temperature;
  keepHighest(scores, topK, Number.NEGATIVE_INFINITY);
  const weights = scores.map(Math.exp);
  if (topP < 1) keepHighest(weights, nucleusSize(weights, topP), 0);
  return draw(weights, random);
}

/** Keskar et al. 2019 (CTRL, arXiv 1909.05858), and by a product where the logit is negative, as transformers has it. */
function penalise(scores: Float64Array, seen: Iterable<number>, penalty: number): void {
  if (penalty === 1) return;
  for (const token of new Set(seen)) {
    const score = scores[token];
    if (score !== undefined) scores[token] = score < 0 ? score * penalty : score / penalty;
  }
}

function highest(scores: Float64Array): number {
  let best = 0;
  for (const [i, score] of scores.entries()) {
    if (Number.isNaN(score) || score === Number.POSITIVE_INFINITY) throw noDistribution(i, score);
    if (score > scores[best]!) best = i;
  }
  if (scores.length === 0 || scores[best] === Number.NEGATIVE_INFINITY)
    throw noDistribution(best, scores[best]);
  return best;
}

function noDistribution(token: number, logit: number | undefined): PolycomError {
  return invalidArgument(`the model's logit of token ${token} is ${logit}`, {
    op: 'generate',
    remedy: 'use a model whose training did not diverge: an earlier checkpoint',
  });
}

/** Keeps the `count` highest values, of equals the first; the others become `removed`. */
function keepHighest(values: Float64Array, count: number, removed: number): void {
  if (count >= values.length) return;
  const least = values.slice().sort()[values.length - count]!;
  let equals = count;
  for (const value of values) if (value > least) --equals;
  for (const [i, value] of values.entries()) {
    if (value > least || (value === least && equals-- > 0)) continue;
    values[i] = removed;
  }
}

/** How many of the largest weights make up a share of them all: at least one. */
function nucleusSize(weights: Float64Array, share: number): number {
  const ascending = weights.slice().sort();
  const wanted = share * sumOf(ascending);
  let [count, sum] = [0, 0];
  do {
    sum += ascending[ascending.length - ++count]!;
  } while (sum < wanted && count < ascending.length);
  return count;
}

function sumOf(weights: Float64Array): number {
  return weights.reduce((sum, weight) => sum + weight, 0);
}

function draw(weights: Float64Array, random: () => number): number {
  let left = random() * sumOf(weights);
  let last = 0;
  for (const [i, weight] of weights.entries()) {
    if (weight === 0) continue;
    last = i;
    left -= weight;
    if (left < 0) break;
  }
  return last; // also where rounding left something over
}
