import { PolycomError } from 'polycom';
import type { Data, SyntheticSource, Tokenizer, TokenSource } from 'polycom/data';
import { permutation } from 'polycom/data';

/** What a model has read, and how that may go on. The first continuation is the true one. */
export interface Item {
  readonly context: readonly number[];
  readonly continuations: readonly Continuation[];
}

/** Tokens, and what the length-normalised score divides by: bytes of text, or tokens where there is no text. */
export interface Continuation {
  readonly tokens: readonly number[];
  readonly length: number;
}

/** The items of a task, and of the synthetic language the logarithm of the true probability of a continuation. */
export interface Task {
  readonly items: readonly Item[];
  readonly truth?: (item: Item, continuation: Continuation) => number;
}

/** How items are made. */
export interface TaskOptions {
  /** Items of a task; 256. Fewer where the held-out tokens have room for fewer. */
  readonly items?: number;
  /** Tokens of a passage, its end included. */
  readonly time: number;
  /** Which passages, and which distractors; 0. */
  readonly seed?: number;
}

/** What chance gets right is one in so many. */
export const CHOICES = 4;
/** Words of a continuation that is chosen: about as much of a line as HellaSwag's endings are of theirs. */
const CHOSEN_WORDS = 5;
/** Tokens of such a continuation where tokens are no text. */
const CHOSEN_TOKENS = 4;
/** A word that says something, for the cloze. */
const WORD = /\s\p{L}{3,}(?=[^\p{L}])/gu;

/**
 * A cloze, in the manner of LAMBADA (Paperno et al. 2016, arXiv 1606.06031): a passage of held-out text, whose last whole
 * word of three letters or more is to be foretold, with the space before it. Of the synthetic language, the last token.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where the held-out tokens have no passage for it
 */
export function clozeTask(data: Data, options: TaskOptions): Task {
  const cut = isLanguage(data.heldOut) ? lastToken : (tokens: Int32Array) => lastWord(tokens, data.tokenizer);
  const items = passagesOf(data.heldOut, options, 1, cut).map(
    ([context, continuation]): Item => itemOf(context, [continuation], options.time),
  );
  return withTruth(items, data.heldOut);
}

/**
 * Multiple choice, in the manner of HellaSwag (Zellers et al. 2019, arXiv 1905.07830): a passage of held-out text goes on
 * in one of four ways, one of which is its own; the others are the ends of three other passages.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where the held-out tokens have too few passages for it
 */
export function choiceTask(data: Data, options: TaskOptions): Task {
  const cut = isLanguage(data.heldOut)
    ? lastTokens
    : (tokens: Int32Array) => lastWords(tokens, data.tokenizer);
  const passages = passagesOf(data.heldOut, options, 2, cut);
  if (passages.length < CHOICES) throw tooFew(data.heldOut, options, `${CHOICES} passages`);
  const { seed = 0 } = options;
  const items = passages.map(([context, own], i): Item => {
    const order = permutation(passages.length, seed, 3, i);
    const others: Continuation[] = [];
    for (let j = 0; others.length < CHOICES - 1 && j < passages.length; ++j) {
      const [, other] = passages[order(j)]!;
      if (![own, ...others].some((taken) => same(taken, other))) others.push(other);
    }
    return itemOf(context, [own, ...others], options.time);
  });
  if (items.some(({ continuations }) => continuations.length < CHOICES)) {
    throw tooFew(data.heldOut, options, `${CHOICES} passages that end differently`);
  }
  return withTruth(items, data.heldOut);
}

/** A passage in two: what is read, and how it goes on. */
type Passage = readonly [context: readonly number[], continuation: Continuation];

/** Passages that do not overlap, in an order of the seed's; those that cannot be cut are passed over. */
function passagesOf(
  source: TokenSource,
  options: TaskOptions,
  task: number,
  cut: (tokens: Int32Array) => Passage | undefined,
): Passage[] {
  const { items = 256, time, seed = 0 } = options;
  const slots = Math.floor(source.length / time);
  const order = permutation(Math.max(1, slots), seed, task);
  const passages: Passage[] = [];
  const tokens = new Int32Array(time);
  for (let i = 0; i < slots && passages.length < items; ++i) {
    source.read(order(i) * time, tokens);
    const found = cut(tokens);
    if (found !== undefined && found[1].tokens.length < time) passages.push(found);
  }
  if (passages.length > 0) return passages;
  throw tooFew(source, options, 'a passage');
}

/** An item with no more of the context than there is room for before every continuation. */
function itemOf(context: readonly number[], continuations: readonly Continuation[], time: number): Item {
  const longest = Math.max(...continuations.map(({ tokens }) => tokens.length));
  return { context: context.slice(longest - time), continuations };
}

function lastToken(tokens: Int32Array): Passage {
  return [[...tokens.subarray(0, -1)], { tokens: [tokens.at(-1)!], length: 1 }];
}

function lastTokens(tokens: Int32Array): Passage {
  const end = [...tokens.subarray(-CHOSEN_TOKENS)];
  return [[...tokens.subarray(0, -CHOSEN_TOKENS)], { tokens: end, length: end.length }];
}

function lastWord(tokens: Int32Array, tokenizer: Tokenizer): Passage | undefined {
  const text = wholeText(tokens, tokenizer);
  const match = [...text.matchAll(WORD)].at(-1);
  return match && encoded(text.slice(0, match.index), match[0], tokenizer);
}

function lastWords(tokens: Int32Array, tokenizer: Tokenizer): Passage | undefined {
  const text = wholeText(tokens, tokenizer);
  // The last one may be cut off.
  const words = [...text.matchAll(/\s+\S+(?=\s)/g)].slice(-CHOSEN_WORDS);
  if (words.length < CHOSEN_WORDS) return undefined;
  const from = words[0]!.index;
  return encoded(text.slice(0, from), words.map(([word]) => word).join(''), tokenizer);
}

/** The text of tokens without what may be a part of a word, or of a character, before its first space. */
function wholeText(tokens: Int32Array, tokenizer: Tokenizer): string {
  return tokenizer.decode(tokens).replace(/^\S*\s+/, '');
}

function encoded(context: string, continuation: string, tokenizer: Tokenizer): Passage | undefined {
  if (context.length === 0) return undefined;
  const tokens = [...tokenizer.encode(continuation)];
  return [[...tokenizer.encode(context)], { tokens, length: Buffer.byteLength(continuation) }];
}

function same(a: Continuation, b: Continuation): boolean {
  return a.tokens.length === b.tokens.length && a.tokens.every((token, i) => token === b.tokens[i]);
}

function withTruth(items: readonly Item[], source: TokenSource): Task {
  if (!isLanguage(source)) return { items };
  return { items, truth: (item, continuation) => logProbability(source, item, continuation) };
}

function isLanguage(source: TokenSource): source is SyntheticSource {
  return 'probability' in source;
}

function logProbability(source: SyntheticSource, { context }: Item, { tokens }: Continuation): number {
  let [beforeLast, last] = [context.at(-2)!, context.at(-1)!];
  let sum = 0;
  for (const token of tokens) {
    sum += Math.log(source.probability(beforeLast, last, token));
    [beforeLast, last] = [last, token];
  }
  return sum;
}

function tooFew({ length }: TokenSource, { time }: TaskOptions, wanted: string): PolycomError {
  return new PolycomError(
    'INVALID_ARGUMENT',
    `${length} held-out tokens, in passages of ${time}; expected at least ${wanted}`,
    { op: 'downstream tasks', remedy: 'hold out more text, or take shorter passages' },
  );
}
