import * as tf from '@tensorflow/tfjs-core';
import { byteTokenizer } from '../../src/data/bytes.js';
import type { Tokenizer } from '../../src/data/tokenizer.js';
import type { LanguageModel } from '../../src/generate/decoder.js';

/**
 * A model that goes on with a text as if it had learnt it: after each token the one that follows it there, with a logit
 * of 5, where all others have 0. It has no layers, so that its cache counts and holds nothing.
 */
export function parrot(
  text: ArrayLike<number>,
  { vocabulary = 257, context = 512 }: { vocabulary?: number; context?: number } = {},
): LanguageModel & {
  /** The tokens that each call got. */
  readonly calls: number[][][];
} {
  const next = new Map(Array.from({ length: text.length - 1 }, (_, i) => [text[i]!, text[i + 1]!]));
  const calls: number[][][] = [];
  return {
    calls,
    config: { vocabulary, context, layers: 0, kvHeads: 1, headWidth: 2 },
    logits: (tokens) => {
      const rows = tokens.arraySync();
      calls.push(rows);
      const logits = rows.map((row) =>
        row.map((token) => Array.from({ length: vocabulary }, (_, id) => (id === next.get(token) ? 5 : 0))),
      );
      return tf.tensor3d(logits);
    },
  };
}

/** The tokens of a text, and the end of it. */
export function learnt(text: string): number[] {
  return [...byteTokenizer.encode(text), byteTokenizer.endOfText!];
}

/** A tokenizer whose tokens are whole words, one of which is half of an emoji and one ends a text. */
export function wordTokenizer(words: readonly string[]): Tokenizer {
  return {
    name: 'words',
    vocabulary: words.length,
    encode: (text) => Uint32Array.from(text.split(' ').filter(Boolean), (word) => words.indexOf(word)),
    decode: (ids) => Array.from(ids, (id) => words[id]!).join(''),
  };
}
