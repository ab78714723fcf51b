import { setImmediate } from 'node:timers/promises';
import type { Tokenizer } from '../data/tokenizer.js';
import { Decoder, type LanguageModel } from './decoder.js';
import { type CheckedOptions, checkOptions, type GenerateOptions, invalidOption } from './options.js';
import { type FinishReason, type Piece, Sequence } from './sequence.js';

/** A text, or its tokens. */
export type Prompt = string | ArrayLike<number>;

/** A generated text, without its prompt. */
export interface Completion {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly reason: FinishReason;
}

/**
 * Goes on with texts, all at once, a token of each at a time; a piece comes as soon as its token is chosen. Leaving the
 * loop early frees what it holds.
 *
 * What a prompt gives depends on it, the model, the options and its seed, not on the prompts beside it (but for the
 * last bit of the logits: a product of more rows may sum in another order).
 *
 * @param prompts may differ in length. An empty one stands for the tokenizer's end-of-text token, behind which a new
 *   text begins
 * @throws {PolycomError} `INVALID_ARGUMENT` for options that do not fit, a prompt that is longer than the context or has
 *   tokens that the model lacks, or logits that are no distribution
 */
export async function* generate(
  model: LanguageModel,
  tokenizer: Tokenizer,
  prompts: readonly Prompt[],
  options: GenerateOptions = {},
): AsyncGenerator<Piece, void, undefined> {
  const checked = checkOptions(options);
  const { context } = model.config;
  const sliding = checked.overflow === 'slide';
  if (sliding && context < 2)
    throw invalidOption(`overflow is 'slide'; the context, ${context}, has no half`);
  const sequences = prompts.map((prompt, row) => {
    const tokens = tokensOf(prompt, row, tokenizer, model, checked);
    return new Sequence(row, tokens, tokenizer, checked, sliding ? Number.POSITIVE_INFINITY : context);
  });
  for (const { row, full } of sequences) if (full) yield { row, text: '', reason: 'context' };
  let running = sequences.filter(({ full }) => !full);
  if (running.length === 0) return;
  const read = running.map(({ tokens }) => tokens);
  const longest = Math.max(...read.map(({ length }) => length));
  const capacity = Math.min(context, longest + checked.tokens);
  let { decoder, logits } = await Decoder.read(model, read, capacity);
  try {
    while (true) {
      for (const [i, sequence] of running.entries()) yield sequence.choose(logits[i]!);
      const rows = [...running.keys()].filter((i) => !running[i]!.finished);
      if (rows.length === 0) return;
      running = rows.map((i) => running[i]!);
      await setImmediate(); // a backend that computes at once would leave the rest of the process no turn
      decoder.select(rows);
      if (sliding) await forget(decoder, running, context);
      logits = await decoder.step(running.map(({ tokens }) => tokens.at(-1)!));
    }
  } finally {
    decoder.dispose();
  }
}

/** As {@link generate}, but gives the whole texts, in the order of their prompts. */
export async function complete(
  model: LanguageModel,
  tokenizer: Tokenizer,
  prompts: readonly Prompt[],
  options: GenerateOptions = {},
): Promise<Completion[]> {
  const texts = prompts.map(() => ({ text: '', tokens: [] as number[], reason: 'tokens' as FinishReason }));
  for await (const { row, token, text, reason } of generate(model, tokenizer, prompts, options)) {
    const into = texts[row]!;
    into.text += text;
    if (token !== undefined) into.tokens.push(token);
    if (reason !== undefined) into.reason = reason;
  }
  return texts;
}

function tokensOf(
  prompt: Prompt,
  row: number,
  { encode, endOfText }: Tokenizer,
  { config: { vocabulary, context } }: LanguageModel,
  { overflow, begin }: CheckedOptions,
): number[] {
  const tokens = typeof prompt === 'string' ? begun(encode(prompt), begin) : Array.from(prompt);
  if (tokens.length === 0 && endOfText !== undefined) tokens.push(endOfText);
  if (tokens.length === 0) {
    throw invalidOption(
      `prompt ${row} is empty, and the tokenizer has no token that a text begins with`,
      'give a prompt for the model to go on with',
    );
  }
  const strange = tokens.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabulary));
  if (strange !== undefined) {
    throw invalidOption(
      `prompt ${row} has the token ${strange}; the model's vocabulary has ${vocabulary}`,
      'use the tokenizer that the model was trained with',
    );
  }
  if (tokens.length <= context) return tokens;
  if (overflow === 'slide') return tokens.slice(-keptOf(context));
  throw invalidOption(
    `prompt ${row} has ${tokens.length} tokens; the model's context has room for ${context}`,
    "shorten it, or give overflow 'slide' (--slide), which forgets its beginning",
  );
}

/** A text's tokens behind those that begin it, which it may have of its own: `<s>once`. */
function begun(tokens: Uint32Array, begin: readonly number[]): number[] {
  return begin.every((token, i) => tokens[i] === token) ? [...tokens] : [...begin, ...tokens];
}

/** Where the context is full, begins it anew with the later half. The last token is yet to be read. */
async function forget(decoder: Decoder, running: readonly Sequence[], context: number): Promise<void> {
  for (const [i, { tokens }] of running.entries()) {
    if (decoder.lengths[i]! < context) continue;
    await decoder.restart(i, tokens.slice(-keptOf(context) - 1, -1));
  }
}

/** How many tokens stay where the context is full. */
function keptOf(context: number): number {
  return Math.floor(context / 2);
}
