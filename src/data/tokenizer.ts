import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { PolycomError } from '../errors.js';
import { readText } from '../text.js';
import { byteTokenizer, byteTokenizerJson } from './bytes.js';
import { huggingFaceTokenizer } from './huggingface.js';
import { numberTokenizer, numberTokenizerJson } from './numbers.js';

/** The file that holds a tokenizer, in Hugging Face's format. */
export const TOKENIZER_FILE = 'tokenizer.json';

/** Turns text into tokens and back. */
export interface Tokenizer {
  /** Two tokenizers of one name give the same tokens. */
  readonly name: string;
  /** Tokens are below it. */
  readonly vocabulary: number;
  /** The token that stands between documents. */
  readonly endOfText?: number;
  /** What stands for one special token each, wherever a text has it. */
  readonly marks?: readonly string[];
  /** The tokens of a text; no special ones are added. */
  encode(text: string): Uint32Array;
  /** The text of tokens; special ones are left out, bytes that are not UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>): string;
  /** How many bytes of UTF-8 a token is, where `decode` alone cannot tell: it may be a part of a character. */
  bytes?(id: number): number | undefined;
  /** A decoder for tokens that come one by one, where `decode` alone cannot tell what is complete. */
  stream?(): TextStream;
  /** Writes `tokenizer.json`, and what Hugging Face's transformers wants beside it, into an existing folder. */
  save?(folder: string): Promise<void>;
}

/** Makes text of tokens that come one by one. */
export interface TextStream {
  /** What the token completes: nothing, while a character still lacks bytes. */
  push(id: number): string;
  /** What was held back: an incomplete character becomes U+FFFD. */
  end(): string;
}

/** So many tokens cannot all end inside a character, unless U+FFFD is what the model wrote. */
const MOST_HELD_BACK = 16;

/**
 * Decodes tokens as they come, holding back characters whose bytes are not all there.
 *
 * @param before the tokens that stand before them, whose text is not given: a decoder takes a space off a text's
 *   beginning alone, and a character may have begun in them
 */
export function streamText(tokenizer: Tokenizer, before: ArrayLike<number> = []): TextStream {
  const stream = tokenizer.stream?.() ?? decodedStream(tokenizer);
  for (const id of contextOf(tokenizer, before)) stream.push(id);
  return stream;
}

function decodedStream(tokenizer: Tokenizer): TextStream {
  // Decoding depends on what stands before: the last emitted tokens are kept for that.
  let ids: number[] = [];
  let emitted = 0;
  const flush = (): string => {
    const before = tokenizer.decode(ids.slice(0, emitted));
    const text = tokenizer.decode(ids);
    ids = ids.slice(emitted);
    emitted = ids.length;
    return text.slice(before.length);
  };
  return {
    push: (id) => {
      if (isSilent(tokenizer, id)) return '';
      ids.push(id);
      const pending = ids.length - emitted;
      if (pending < MOST_HELD_BACK && tokenizer.decode(ids).endsWith('\ufffd')) return '';
      return flush();
    },
    end: () => (ids.length > emitted ? flush() : ''),
  };
}

/** The last tokens, from one on that is text of whole characters: what stands before it changes nothing that follows. */
function contextOf(tokenizer: Tokenizer, ids: ArrayLike<number>): number[] {
  const known = Array.from(ids).filter((id) => id < tokenizer.vocabulary);
  const from = known.findLastIndex((id) => {
    const text = tokenizer.decode([id, id]);
    return text !== '' && !text.includes('\ufffd');
  });
  return known.slice(Math.max(from, 0));
}

/** Whether a token has no text wherever it stands, as special ones. One alone may lack the space that it begins with. */
function isSilent(tokenizer: Tokenizer, id: number): boolean {
  return tokenizer.decode([id, id]) === '';
}

/**
 * The tokenizer of that name, file or folder.
 *
 * @param from `bytes`, the path of a `tokenizer.json`, or a folder that holds one
 * @param options.endOfText the token that ends a text, where the files do not say, or another one
 * @throws {PolycomError} `INVALID_ARGUMENT` where there is none, it is damaged, or has no such token; `UNSUPPORTED` where
 *   its library is not installed, or its model is of a kind that this does not run
 */
export async function loadTokenizer(
  from: string,
  { endOfText }: { readonly endOfText?: string } = {},
): Promise<Tokenizer> {
  if (from === byteTokenizer.name) return endingIn(byteTokenizer, endOfText);
  const file = (await isFolder(from)) ? join(from, TOKENIZER_FILE) : from;
  const text = await readText(file).catch((cause: unknown) => {
    if (cause instanceof PolycomError) throw cause;
    throw new PolycomError('INVALID_ARGUMENT', `tokenizer '${from}' cannot be read`, {
      remedy: `give '${byteTokenizer.name}', or the path of a ${TOKENIZER_FILE}`,
      cause,
    });
  });
  const json = parse(text, file);
  const ours = builtIn(json);
  return ours === undefined ? huggingFaceTokenizer(file, text, json, endOfText) : endingIn(ours, endOfText);
}

/** A tokenizer of ours, whose end of a text is what it is. */
function endingIn(tokenizer: Tokenizer, endOfText: string | undefined): Tokenizer {
  const { name, marks = [] } = tokenizer;
  if (endOfText === undefined || marks.includes(endOfText)) return tokenizer;
  throw new PolycomError('INVALID_ARGUMENT', `tokenizer ${name} has no token '${endOfText}' to end a text`, {
    remedy: marks.length === 0 ? 'leave the end of a text out' : `its end of a text is ${marks.join(' ')}`,
  });
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

function parse(text: string, file: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) {
      return json as Record<string, unknown>;
    }
  } catch (cause) {
    throw new PolycomError(
      'INVALID_ARGUMENT',
      `${file} is not JSON: it is damaged, or no ${TOKENIZER_FILE}`,
      {
        cause,
      },
    );
  }
  throw new PolycomError('INVALID_ARGUMENT', `${file} is no ${TOKENIZER_FILE}: expected a JSON object`);
}

/** The built-in tokenizer that was saved as this: it needs no library. */
function builtIn(json: Record<string, unknown>): Tokenizer | undefined {
  const { model } = json as { model?: { vocab?: object } | null };
  // Goes no deeper than ours does, however deep a foreign file is.
  const same = (other: unknown): boolean => isDeepStrictEqual(json, other);
  if (same(byteTokenizerJson())) return byteTokenizer;
  const count = Object.keys(model?.vocab ?? {}).length;
  return same(numberTokenizerJson(count)) ? numberTokenizer(count) : undefined;
}
