import { invalidArgument } from '../common/errors.js';
import { FAST_CLASS, saveTokenizer, type TextStream, type Tokenizer } from './tokenizer.js';

const END_OF_TEXT = 256;

const MARK = '<|endoftext|>';

/**
 * A token for every byte of UTF-8, and 256 for the end of a text, also where a text has its mark, `<|endoftext|>`. It needs
 * no file and knows every language.
 */
export const byteTokenizer: Tokenizer = {
  name: 'bytes',
  vocabulary: 257,
  endOfText: END_OF_TEXT,
  marks: [MARK],
  encode,
  decode: (ids) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytesOf(ids)),
  bytes: (id) => (id === END_OF_TEXT ? 0 : 1),
  stream: byteStream,
  save: (folder) => {
    const config = { tokenizer_class: FAST_CLASS, eos_token: endOfTextToken.content };
    return saveTokenizer(folder, JSON.stringify(byteTokenizerJson()), JSON.stringify(config));
  },
};

function encode(text: string): Uint32Array {
  const parts = text.split(MARK).map((part) => new TextEncoder().encode(part));
  const ids = new Uint32Array(parts.reduce((sum, { length }) => sum + length + 1, -1));
  let at = 0;
  for (const part of parts) {
    if (at > 0) ids[at - 1] = END_OF_TEXT;
    ids.set(part, at);
    at += part.length + 1;
  }
  return ids;
}

function byteStream(): TextStream {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (id) => decoder.decode(bytesOf([id]), { stream: true }),
    end: () => decoder.decode(),
  };
}

function bytesOf(ids: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(ids.length);
  let count = 0;
  for (let i = 0; i < ids.length; ++i) {
    const id = ids[i]!;
    if (id === END_OF_TEXT) continue;
    if (!(id >= 0 && id < END_OF_TEXT && Number.isInteger(id))) {
      throw invalidArgument(`token ${id}; expected a byte, or ${END_OF_TEXT}`);
    }
    bytes[count++] = id;
  }
  return bytes.subarray(0, count);
}

const endOfTextToken = {
  id: END_OF_TEXT,
  content: MARK,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
};

/** The byte tokenizer as Hugging Face's libraries read it: byte-level BPE that merges nothing. */
export function byteTokenizerJson(): object {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [endOfTextToken],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(byteLetters().map((letter, byte) => [letter, byte])),
      merges: [],
    },
  };
}

/** The letter that stands for each byte in byte-level BPE: printable ones themselves, the others from U+0100 on. */
function byteLetters(): string[] {
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(printable ? byte : 256 + others++);
  });
}
