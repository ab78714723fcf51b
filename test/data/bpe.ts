import { byteTokenizerJson } from '../../src/data/bytes.js';

interface Json {
  [key: string]: unknown;
  model: { vocab: Record<string, number>; merges: string[] };
}

/** A small byte-level BPE tokenizer of GPT-2's kind, as its `tokenizer.json`. */
export function bpeJson(): Json {
  const json = structuredClone(byteTokenizerJson()) as Json;
  const merges = ['h e', 'Ġ t', 'Ġt he', 'i n', 'Ċ Ċ', 'Ġ Ġ', 'Ã ©', 'ð Ł', 'a Ã'];
  const { vocab } = json.model;
  json.model.merges = merges;
  for (const [i, merge] of merges.entries()) vocab[merge.replace(' ', '')] = 257 + i;
  json.pre_tokenizer = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return json;
}
