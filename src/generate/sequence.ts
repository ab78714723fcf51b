import { uniform } from '../common/random.js';
import { streamText, type TextStream, type Tokenizer } from '../data/tokenizer.js';
import type { CheckedOptions } from './options.js';
import { sampleToken } from './sampling.js';
import { StopFilter } from './stop.js';

/**
 * Why a text ended: it has as many `tokens` as were asked for, a `stop` string came, the model `end`ed it, or the
 * model's `context` is full.
 */
export type FinishReason = 'tokens' | 'stop' | 'end' | 'context';

/** What a step adds to a text. */
export interface Piece {
  /** Which text: the index of its prompt. */
  readonly row: number;
  /** None where nothing could be generated. */
  readonly token?: number;
  /** Whole characters; often empty, where a character lacks bytes or a stop string may be coming. */
  readonly text: string;
  /** Of a text's last piece. */
  readonly reason?: FinishReason;
}

/** A text as it is generated: its tokens, its draws, and what of it can be shown. */
export class Sequence {
  readonly row: number;
  /** Of the prompt, then those chosen. */
  readonly tokens: number[];
  #finished = false;
  readonly #seen: Set<number>;
  readonly #random: () => number;
  readonly #stream: TextStream;
  readonly #filter: StopFilter;
  readonly #options: CheckedOptions;
  readonly #known: number;
  readonly #ends: readonly number[];
  /** How many tokens there may be, and how many the context has room for: those of the prompt included. */
  readonly #wanted: number;
  readonly #context: number;

  /** @param context the most tokens of prompt and text together */
  constructor(
    row: number,
    prompt: readonly number[],
    tokenizer: Tokenizer,
    options: CheckedOptions,
    context: number,
  ) {
    this.row = row;
    this.tokens = [...prompt];
    this.#seen = new Set(prompt);
    this.#random = uniform(options.seed + row);
    this.#stream = streamText(tokenizer, prompt);
    this.#filter = new StopFilter(options.stop);
    this.#options = options;
    this.#known = tokenizer.vocabulary;
    this.#ends = options.ends ?? (tokenizer.endOfText === undefined ? [] : [tokenizer.endOfText]);
    this.#wanted = prompt.length + options.tokens;
    this.#context = context;
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** Whether there is no room for a token. */
  get full(): boolean {
    return this.tokens.length >= this.#context;
  }

  /** Chooses the next token from its logits. A model may have logits of more tokens than the tokenizer knows. */
  choose(logits: Float32Array): Piece {
    const known = logits.subarray(0, this.#known);
    const token = sampleToken(known, this.#seen, this.#options, this.#random);
    this.tokens.push(token);
    this.#seen.add(token);
    const ended = this.#ends.includes(token);
    const reason = ended ? 'end' : this.#limit();
    const { text, stopped } = this.#filter.push(ended ? '' : this.#stream.push(token));
    if (stopped) return this.#finish(token, text, 'stop');
    if (reason === undefined) return { row: this.row, token, text };
    const rest = this.#filter.push(this.#stream.end());
    if (rest.stopped) return this.#finish(token, text + rest.text, 'stop');
    return this.#finish(token, text + rest.text + this.#filter.end(), reason);
  }

  #limit(): FinishReason | undefined {
    if (this.tokens.length >= this.#wanted) return 'tokens';
    return this.full ? 'context' : undefined;
  }

  #finish(token: number, text: string, reason: FinishReason): Piece {
    this.#finished = true;
    return { row: this.row, token, text, reason };
  }
}
