import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PolycomError } from '../errors.js';
import type { Tokenizer } from './tokenizer.js';

/** Writes tokens as numbers, `12 7 30`: for the synthetic language, whose tokens have no letters. */
export function numberTokenizer(vocabulary: number): Tokenizer {
  return {
    name: `numbers-${vocabulary}`,
    vocabulary,
    encode: (text) =>
      Uint32Array.from(text.split(/\s+/).filter(Boolean), (word) => numberOf(word, vocabulary)),
    decode: (ids) => Array.from(ids).join(' '),
    stream: () => {
      let first = true;
      const push = (id: number): string => {
        const text = first ? `${id}` : ` ${id}`;
        first = false;
        return text;
      };
      return { push, end: () => '' };
    },
    save: async (folder) => {
      await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(numberTokenizerJson(vocabulary)));
      const config = { tokenizer_class: 'PreTrainedTokenizerFast' };
      await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
    },
  };
}

function numberOf(word: string, vocabulary: number): number {
  const id = Number(word);
  if (/^\d+$/.test(word) && id < vocabulary) return id;
  throw new PolycomError('INVALID_ARGUMENT', `'${word}' is no token; expected numbers below ${vocabulary}`, {
    remedy: "the tokens of this model have no letters: write them as numbers, such as '3 14 15'",
  });
}

/** The same tokenizer as Hugging Face's libraries read it. */
export function numberTokenizerJson(vocabulary: number): object {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: null,
    decoder: null,
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries(Array.from({ length: vocabulary }, (_, id) => [String(id), id])),
      unk_token: '0',
    },
  };
}
