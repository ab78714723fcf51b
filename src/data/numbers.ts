import { invalidArgument } from '../common/errors.js';
import { FAST_CLASS, saveTokenizer, type Tokenizer } from './tokenizer.js';

/** Writes tokens as numbers, `12 7 30`: for the synthetic language, whose tokens have no letters. */
export function numberTokenizer(vocabulary: number): Tokenizer {
  return {
    name: `numbers-${vocabulary}`,
    vocabulary,
    encode: (text) =>
      Uint32Array.from(text.split(/\s+/).filter(Boolean), (word) => numberOf(word, vocabulary)),
    decode: (ids) => Array.from(ids).join(' '),
    stream: () => {
      let space = '';
      const push = (id: number): string => {
        const text = `${space}${id}`;
        space = ' ';
        return text;
      };
      return { push, end: () => '' };
    },
    save: (folder) => {
      const config = { tokenizer_class: FAST_CLASS };
      return saveTokenizer(folder, JSON.stringify(numberTokenizerJson(vocabulary)), JSON.stringify(config));
    },
  };
}

function numberOf(word: string, vocabulary: number): number {
  const id = Number(word);
  if (/^\d+$/.test(word) && id < vocabulary) return id;
  throw invalidArgument(`'${word}' is no token; expected numbers below ${vocabulary}`, {
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
