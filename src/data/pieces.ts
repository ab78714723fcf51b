import { characterStart } from './split.js';
import type { Tokenizer } from './tokenizer.js';

/** Characters that are given to the tokenizer at a time. */
const CHUNK = 1 << 17;
/** Where no place to cut is found, so many chunks are kept together at most. */
const MOST_CHUNKS = 8;
/** Characters on each side of a cut that decide about it. */
const AROUND = 256;
/** How much less is looked at too, as in a long run of one kind the number of characters may decide. */
const FEWER = [0, 1, 2];
/** Last tokens before a cut that must be the same in a short text and in the long one. */
const SAME = 8;
/** Tokens of a context that begins where a token does. */
const CONTEXT = 64;
/** Places of a kind that are looked at, and chunks of a kind that are tried. */
const LOOKS = 16;
const TRIES = 4;

const WORD_END = /[\p{L}\p{N}]$/u;
const SPACE = /\s/;

/** A place where a text can be cut, with the tokens up to it. */
interface Cut {
  readonly end: number;
  readonly ids: Uint32Array;
  /** What stands before the cut, as far as what follows depends on it, and its tokens. */
  readonly context: string;
  readonly known: Uint32Array;
}

/**
 * Tokenises a text that comes in pieces, a chunk at a time, into the tokens of the whole. A chunk ends where the tokens
 * before are the same with and without what follows, preferably after a word: whatever follows it, no tokenizer joins
 * it with the white space. The next one is tokenised with the end of the last before it, so what a tokenizer puts at the
 * start of a text is put there alone.
 */
export class PieceEncoder {
  readonly #tokenizer: Pick<Tokenizer, 'encode' | 'decode'>;
  readonly #chunk: number;
  readonly #around: number;
  /** The text that has no tokens yet. */
  #text = '';
  /** What stands before it, and its tokens. */
  #context = '';
  #known: Uint32Array = new Uint32Array(0);
  /** The context and the start of the text, in which a cut is looked for. */
  #view = '';
  #wanted: number;

  /** @param chunk characters of a chunk, about */
  constructor(tokenizer: Pick<Tokenizer, 'encode' | 'decode'>, chunk: number = CHUNK) {
    this.#tokenizer = tokenizer;
    this.#chunk = chunk;
    this.#around = Math.min(AROUND, chunk);
    this.#wanted = 2 * chunk;
  }

  /** The tokens that more text completes. */
  *push(piece: string): Generator<Uint32Array> {
    this.#text += piece;
    while (this.#text.length >= this.#wanted) {
      this.#view = this.#context + this.#text.slice(0, this.#wanted);
      const cut = this.#findCut();
      if (cut === undefined) this.#wanted *= 2;
      else yield this.#take(cut);
    }
  }

  /** The tokens of the rest. What is pushed next is another text. */
  *end(): Generator<Uint32Array> {
    const text = this.#context + this.#text;
    const ids = this.#new(this.#tokenizer.encode(text));
    yield this.#take({ end: text.length, ids, context: '', known: new Uint32Array(0) });
  }

  #take({ end, ids, context, known }: Cut): Uint32Array {
    this.#text = this.#text.slice(end - this.#context.length);
    this.#context = context;
    this.#known = known;
    this.#wanted = 2 * this.#chunk;
    return ids;
  }

  /** Tokens without those of the context. */
  #new(ids: Uint32Array): Uint32Array {
    return ids.subarray(this.#known.length);
  }

  #findCut(): Cut | undefined {
    for (const ends of [this.#wordEnds(), this.#tokenEnds(), this.#characters()]) {
      let tries = 0;
      for (const end of ends) {
        const cut = this.#cutAt(end);
        if (cut !== undefined) return cut;
        if (++tries === TRIES) break;
      }
    }
    if (this.#wanted < MOST_CHUNKS * this.#chunk) return undefined;
    const end = characterStart(this.#view, this.#middle());
    const ids = this.#new(this.#tokenizer.encode(this.#view.slice(0, end)));
    return { end, ids, context: '', known: new Uint32Array(0) };
  }

  #middle(): number {
    const { length } = this.#context;
    return length + ((this.#view.length - length) >> 1);
  }

  /** Ends of words, and failing them starts of lines, in the second half of a chunk, the last first. */
  *#wordEnds(): Generator<number> {
    const text = this.#view;
    const most = this.#middle();
    const least = most - (this.#chunk >> 1);
    const isWordEnd = (end: number): boolean =>
      SPACE.test(text[end]!) && WORD_END.test(text.slice(Math.max(end - 2, 0), end));
    const isLine = (end: number): boolean => text[end - 1] === '\n' && !SPACE.test(text[end]!);
    for (const isEnd of [isWordEnd, isLine]) {
      for (let end = most, looks = 0; end > least && looks < LOOKS; --end) {
        if (!isEnd(end)) continue;
        ++looks;
        if (this.#isPlausible(end)) yield end;
      }
    }
  }

  /** Ends of tokens near the middle, where decoding gives the text back. */
  *#tokenEnds(): Generator<number> {
    const ids = this.#tokenizer.encode(this.#view);
    const middle = (this.#known.length + ids.length) >> 1;
    for (let count = middle; count > Math.max(middle - LOOKS, this.#known.length); --count) {
      const start = this.#tokenizer.decode(ids.subarray(0, count));
      if (start.length > this.#context.length && this.#view.startsWith(start)) yield start.length;
    }
  }

  *#characters(): Generator<number> {
    const middle = this.#middle();
    for (let end = middle; end > Math.max(middle - LOOKS, this.#context.length); --end) {
      if (characterStart(this.#view, end) === end && this.#isPlausible(end)) yield end;
    }
  }

  /** Whether the tokens of what stands shortly before a place are the same with what follows. */
  #isPlausible(end: number): boolean {
    return this.#after(this.#before(end, 0), end) !== undefined;
  }

  #before(end: number, fewer: number): string {
    return this.#view.slice(characterStart(this.#view, Math.max(end - this.#around + fewer, 0)), end);
  }

  /** The tokens of what follows a place, if those of what stands before it are the same with it. */
  #after(before: string, end: number): Uint32Array | undefined {
    const known = this.#tokenizer.encode(before);
    const [after, ...others] = FEWER.map((fewer) => {
      const text = this.#view.slice(end, characterStart(this.#view, end + this.#around - fewer));
      return this.#tokenizer.encode(before + text);
    });
    if (![after!, ...others].every((ids) => startsWith(ids, known))) return undefined;
    return after!.subarray(known.length);
  }

  #cutAt(end: number): Cut | undefined {
    const all = this.#tokenizer.encode(this.#view.slice(0, end));
    for (const contexts of [this.#lastCharacters(end), this.#lastTokens(end, all)]) {
      const afters = contexts.map((context) => this.#after(context, end));
      const [context, after] = [contexts[0], afters[0]];
      if (context === undefined || after === undefined) continue;
      const known = this.#tokenizer.encode(context);
      if (endsAlike(all, known) && afters.every((ids) => ids !== undefined && isSame(ids, after))) {
        return { end, ids: this.#new(all), context, known };
      }
    }
    return undefined;
  }

  /** Contexts of about the same length: of a long run of one kind, the place where it begins may decide. */
  #lastCharacters(end: number): string[] {
    return FEWER.map((fewer) => this.#before(end, fewer));
  }

  /** Contexts that begin where a token does. */
  #lastTokens(end: number, ids: Uint32Array): string[] {
    const before = this.#view.slice(0, end);
    const most = Math.min(CONTEXT, ids.length);
    const counts = Array.from({ length: Math.min(LOOKS, most) }, (_, i) => most - i);
    return counts
      .map((count) => this.#tokenizer.decode(ids.subarray(ids.length - count)))
      .filter((text) => text !== '' && before.endsWith(text))
      .slice(0, FEWER.length);
  }
}

function startsWith(ids: Uint32Array, start: Uint32Array): boolean {
  return start.length <= ids.length && start.every((id, i) => id === ids[i]);
}

function isSame(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && startsWith(a, b);
}

/** Whether the last tokens of a long text are those of a short one. */
function endsAlike(long: Uint32Array, short: Uint32Array): boolean {
  const count = Math.min(SAME, long.length, short.length);
  const [a, b] = [long.subarray(long.length - count), short.subarray(short.length - count)];
  return a.every((id, i) => id === b[i]);
}
