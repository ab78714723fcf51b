import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The file that holds a tokenizer, in Hugging Face's format. */
export const TOKENIZER_FILE = 'tokenizer.json';
/** The file beside it, of what transformers must know of its tokens. */
export const CONFIG_FILE = 'tokenizer_config.json';

/** What the second says so that `AutoTokenizer` reads the first as it is. */
export const FAST_CLASS = 'PreTrainedTokenizerFast';

/** Writes the two files, of which the second may be left out. */
export async function saveTokenizer(folder: string, tokenizer: string, config?: string): Promise<void> {
  await writeFile(join(folder, TOKENIZER_FILE), tokenizer);
  if (config !== undefined) await writeFile(join(folder, CONFIG_FILE), config);
}

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
