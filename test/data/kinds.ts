import { bpeJson } from './bpe.js';

type Json = Record<string, unknown>;

/** `\r` `\n`, tab and space in byte-level BPE. */
const [CR, LF, TAB, SP] = ['č', 'Ċ', 'ĉ', 'Ġ'];
const MERGES = [
  `${CR} ${LF}`,
  `${LF} ${LF}`,
  `${SP} ${LF}`,
  `${LF} ${SP}`,
  `${SP} ${SP}`,
  `${SP}${SP} ${SP}${SP}`,
  `${CR}${LF} ${CR}${LF}`,
  `${TAB} ${TAB}`,
  `. ${LF}`,
  `. ${CR}${LF}`,
  'h e',
  `${SP} t`,
  `${SP}t he`,
  'a a',
  'aa aa',
  'aaaa aaaa',
  '1 2',
  '12 3',
  '- -',
  '-- --',
  'æ ¼',
  'æ¼ ¢',
];

const isolated = (regex: string): Json => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Isolated',
  invert: false,
});
const byteLevel = (use_regex: boolean, add_prefix_space = false): Json => ({
  type: 'ByteLevel',
  add_prefix_space,
  trim_offsets: true,
  use_regex,
});
const sequence = (...pretokenizers: Json[]): Json => ({ type: 'Sequence', pretokenizers });

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const REST = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const llama3 = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${REST}`;
const qwen = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${REST}`;
const deepseek =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

function byteLevelBpe(pre_tokenizer: Json | null): Json {
  const json = bpeJson();
  for (const token of Object.keys(json.model.vocab)) {
    if (json.model.vocab[token]! > 256) delete json.model.vocab[token];
  }
  json.model.merges = MERGES;
  for (const [i, merge] of MERGES.entries()) json.model.vocab[merge.replace(' ', '')] = 257 + i;
  return { ...json, pre_tokenizer };
}

const special = (content: string, id: number, more: Json = {}): Json => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
  ...more,
});

const hex = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
const PIECES = [
  ...['<unk>', '<s>', '</s>'],
  ...Array.from({ length: 256 }, (_, byte) => hex(byte)),
  ...['▁', ...'abcdehilnot,.-123漢', '▁t', '▁th', '▁the', '▁▁', '▁▁▁▁', 'aa', 'aaaa', '12', '123', '--'],
];
const SENTENCE_MERGES = ['▁ t', '▁t h', '▁th e', '▁ ▁', '▁▁ ▁▁', 'a a', 'aa aa', '1 2', '12 3', '- -'];

/** As Llama 2's: no pre-tokenizer, a `▁` before the text and for each space, bytes for what has no token. */
function sentencePiece(normalizer: Json | null, pre_tokenizer: Json | null): Json {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special('<unk>', 0), special('<s>', 1), special('</s>', 2)],
    normalizer,
    pre_tokenizer,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(PIECES.map((piece, i) => [piece, i])),
      merges: SENTENCE_MERGES,
    },
  };
}

const prepend: Json = {
  type: 'Sequence',
  normalizers: [
    { type: 'Prepend', prepend: '▁' },
    { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  ],
};
const metaspace = (prepend_scheme: string, split: boolean): Json => ({
  type: 'Metaspace',
  replacement: '▁',
  prepend_scheme,
  split,
});

function wordPiece(): Json {
  const words = [
    '[UNK]',
    ...'abcdehilnot,.-123漢',
    'the',
    ...'abcdehilnot123'.replace(/./g, '##$& ').trim().split(' '),
  ];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special('[UNK]', 0)],
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: null,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 12,
      vocab: Object.fromEntries(words.map((word, i) => [word, i])),
    },
  };
}

function unigram(): Json {
  const pieces = ['<unk>', '▁', '▁the', '▁t', 'he', 'aa', '12', '▁▁', '▁a', ...'abcdehilnot,.-123漢'];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special('<unk>', 0)],
    normalizer: { type: 'NFKC' },
    pre_tokenizer: metaspace('always', true),
    post_processor: null,
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    model: {
      type: 'Unigram',
      unk_id: 0,
      vocab: pieces.map((piece, i) => [piece, -1 - 4 / (i + 1)]),
      byte_fallback: false,
    },
  };
}

/** A small `tokenizer.json` of each of the kinds that are about, by name. */
export const kinds: Readonly<Record<string, Json>> = {
  'GPT-2': byteLevelBpe(byteLevel(true)),
  'GPT-2 with a space before': byteLevelBpe(byteLevel(true, true)),
  'Llama 3': byteLevelBpe(sequence(isolated(llama3), byteLevel(false))),
  Qwen: byteLevelBpe(sequence(isolated(qwen), byteLevel(false))),
  DeepSeek: byteLevelBpe(
    sequence(isolated('\\p{N}{1,3}'), isolated('[一-龥぀-ゟ゠-ヿ]+'), isolated(deepseek), byteLevel(false)),
  ),
  'bytes without a pattern': byteLevelBpe(byteLevel(false)),
  'Llama 2': sentencePiece(prepend, null),
  'metaspace at each section': sentencePiece(null, metaspace('always', false)),
  'metaspace at the first section': sentencePiece(null, metaspace('first', true)),
  BERT: wordPiece(),
  Unigram: unigram(),
};
