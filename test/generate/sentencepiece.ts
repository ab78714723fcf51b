import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportHuggingFace } from '../../src/checkpoint/huggingface.js';
import { configOf } from '../../src/model/presets.js';
import { parameterShapes } from '../../src/model/shapes.js';
import { place } from './folders.js';

/** A piece for each byte, so that any text has tokens. */
const BYTES = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
);
const WORDS = ['▁t', '▁th', '▁the', '▁w', '▁wa', '▁was'];
const PIECES = ['<unk>', '<s>', '</s>', ...BYTES, '▁', ...'abcdefghijklmnopqrstuvwxyz', ...WORDS];

/** The token ` the`. */
export const THE: number = PIECES.indexOf('▁the');
export const BEGIN = 1;
export const END = 2;

/** A tokenizer of the kind that Llama 2 and TinyLlama have, as its `tokenizer.json`. */
export function sentencePieceJson(): object {
  const special = (content: string, id: number) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special('<unk>', 0), special('<s>', BEGIN), special('</s>', END)],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [BEGIN], tokens: ['<s>'] } },
    },
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
      vocab: Object.fromEntries(PIECES.map((piece, id) => [piece, id])),
      merges: ['▁ t', '▁t h', '▁th e', '▁ w', '▁w a', '▁wa s'],
    },
  };
}

/**
 * A LLaMA of one layer in Hugging Face's form, with that tokenizer, whose folder declares `<s>` to begin texts.
 *
 * @param weights `the`: whatever it reads, the likeliest token is {@link THE}; `waves`: what it has read matters
 */
export async function sentencePieceLlama(
  name: string,
  weights: 'the' | 'waves',
  { vocabulary = PIECES.length, context = 64 }: { vocabulary?: number; context?: number } = {},
): Promise<string> {
  const sizes = { width: 16, layers: 1, heads: 2, kvHeads: 1, headWidth: 8, hidden: 16 };
  const config = configOf('tiny', { ...sizes, vocabulary, context, activation: 'swiglu', tied: false });
  const parameters = new Map(
    Array.from(parameterShapes(config), ([key, shape], salt) => {
      const size = shape.reduce((product, length) => product * length, 1);
      const value = weights === 'the' ? theWeight(key) : (i: number) => Math.sin((i + 1) * (salt + 1.5)) / 2;
      return [
        key,
        {
          shape,
          data: shape.length === 1 ? ones(size) : Float32Array.from({ length: size }, (_, i) => value(i)),
        },
      ];
    }),
  );
  const path = place(name);
  await exportHuggingFace(parameters, config, path, { endOfText: END });
  const file = join(path, 'config.json');
  const json = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...json, bos_token_id: BEGIN }));
  writeFileSync(join(path, 'tokenizer.json'), JSON.stringify(sentencePieceJson()));
  return path;
}

function theWeight(key: string): (i: number) => number {
  if (key === 'model.embed_tokens.weight') return (i) => 1 + Math.sin(i) / 10;
  return (i) => (key === 'lm_head.weight' && Math.floor(i / 16) === THE ? 1 : 0);
}

function ones(size: number): Float32Array {
  return new Float32Array(size).fill(1);
}
