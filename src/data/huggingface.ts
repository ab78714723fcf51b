import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Tokenizer as Library } from '@huggingface/tokenizers';
import { invalidArgument, PolycomError } from '../common/errors.js';
import { excerpt, nameOf } from '../common/excerpt.js';
import { fileError } from '../common/file-error.js';
import { given, isObject } from '../common/objects.js';
import { readText } from '../common/text.js';
import { marksShown } from './marks.js';
import { CONFIG_FILE, saveTokenizer, type Tokenizer } from './tokenizer.js';
import { checkTokenizer } from './tokenizer-check.js';

/** What ends a text in the tokenizers of the day, where `tokenizer_config.json` does not say. */
const ENDS = ['<|endoftext|>', '<|end_of_text|>', '</s>', '<eos>'];

const REMEDY = 'expected what save_pretrained of a fast tokenizer of transformers writes';
/** The library puts whatever it found into its messages. */
const LONGEST_REASON = 300;
const ALONE = { add_special_tokens: false };
const CLEAN = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
/** Of letters, digits, marks and more than one writing. */
const SAMPLE = 'The 2 cats,\n\t  día 漢字 😀!';

/** The models that the library runs; it would take others for one of these. */
const MODELS: readonly unknown[] = ['BPE', 'WordPiece', 'Unigram', undefined];

/**
 * The tokenizer that a `tokenizer.json` describes, run by `@huggingface/tokenizers`.
 *
 * @param file its path; a `tokenizer_config.json` beside it may name the end-of-text token
 * @param text what it holds
 * @param json the same, parsed
 * @param end the token that ends a text, rather than what the files say
 * @throws {PolycomError} `UNSUPPORTED` where the library is not installed or its model is of another kind;
 *   `INVALID_ARGUMENT` where it rejects the file, or has no such token
 */
export async function huggingFaceTokenizer(
  file: string,
  text: string,
  json: Record<string, unknown>,
  end?: string,
): Promise<Tokenizer> {
  checkModel(json, file);
  const { Tokenizer: Library } = await load(file);
  const found = await readConfig(join(dirname(file), CONFIG_FILE));
  const read = found === undefined ? {} : parseConfig(found, file);
  const isSaid = end === undefined || contentOf(read.eos_token) === end;
  const config = isSaid ? read : { ...read, eos_token: end };
  const configText = isSaid ? found : JSON.stringify(config);
  const [library, vocabulary] = construct(() => {
    checkTokenizer(json);
    const library = new Library(json, config);
    // A part that is damaged fails in use alone. Without a token for the unknown, some of the sample has none.
    const ids = library.encode(SAMPLE, ALONE).ids.filter(Number.isInteger);
    if (ids.length > 0) library.decode(ids, CLEAN);
    return [library, vocabularyOf(library)];
  }, file);
  const endOfText = endOf(library, config);
  const marks = [...library.get_added_tokens_decoder().values()]
    .filter(({ special }) => special)
    .map(({ content }) => content);
  if (end !== undefined && endOfText === undefined) {
    throw invalidArgument(`${file} has no token '${end}' to end a text`, {
      remedy: `its special tokens are: ${marksShown(marks)}`,
    });
  }
  const hash = createHash('sha256')
    .update(text)
    .update(configText ?? '');
  return {
    name: `huggingface-${hash.digest('hex').slice(0, 16)}`,
    vocabulary,
    ...given({ endOfText }),
    marks,
    encode: (input) => {
      if (input === '') return new Uint32Array(0);
      const { ids } = using(() => library.encode(input, ALONE), file);
      return Uint32Array.from(ids, (id) => checked(id, vocabulary, file));
    },
    decode: (ids) => {
      if (ids.length === 0) return '';
      const list = Array.from(ids, (id) => checked(id, vocabulary, file));
      return using(() => library.decode(list, CLEAN), file);
    },
    bytes: bytesOfPieces(library, json.decoder),
    save: (folder) => saveTokenizer(folder, text, configText),
  };
}

async function readConfig(file: string): Promise<string | undefined> {
  try {
    return await readText(file);
  } catch (cause) {
    if (cause instanceof PolycomError) throw cause;
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code!)) return undefined;
    throw fileError(file, 'read', cause);
  }
}

async function load(file: string): Promise<typeof import('@huggingface/tokenizers')> {
  try {
    return await import('@huggingface/tokenizers');
  } catch (cause) {
    throw new PolycomError('UNSUPPORTED', `the library that reads ${file} is not installed`, {
      remedy: 'npm install @huggingface/tokenizers',
      cause,
    });
  }
}

/** Runs the library, which checks little of a file beforehand: what it throws says what is wrong with that. */
function guarded<T>(work: () => T, what: string): T {
  try {
    return work();
  } catch (cause) {
    const why = nameOf(cause instanceof Error ? cause.message : String(cause), LONGEST_REASON);
    throw invalidArgument(`${what}: ${why}`, { remedy: REMEDY, cause });
  }
}

function using<T>(work: () => T, file: string): T {
  return guarded(work, `${file} fails on a text`);
}

function construct<T>(make: () => T, file: string): T {
  return guarded(make, `${file} is not a tokenizer.json that can be used`);
}

function parseConfig(text: string, file: string): Record<string, unknown> {
  const parse = (): unknown => JSON.parse(text);
  const config = construct(parse, join(dirname(file), CONFIG_FILE));
  return isObject(config) ? config : {};
}

/** One more than the largest token: numbers may have gaps. */
function vocabularyOf(library: Library): number {
  let largest = -1;
  for (const id of library.get_vocab(true).values()) largest = Math.max(largest, id);
  if (Number.isInteger(largest) && largest >= 0) return largest + 1;
  throw new Error('its vocabulary is empty');
}

/** Refuses a tokenizer that is whole, but of a kind that is not run. */
function checkModel(json: Record<string, unknown>, file: string): void {
  const { type } = (json.model ?? {}) as { type?: unknown };
  if (MODELS.includes(type)) return;
  throw new PolycomError(
    'UNSUPPORTED',
    `${file}: its model is ${excerpt(type)}; expected BPE, WordPiece or Unigram`,
    { remedy: 'take the tokenizer of another model, or bytes' },
  );
}

/** A token of `tokenizer_config.json`: a text, or an object that has it. */
function contentOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  const { content } = (token ?? {}) as { content?: unknown };
  return typeof content === 'string' ? content : undefined;
}

function endOf(library: Library, config: Record<string, unknown>): number | undefined {
  const named = contentOf(config.eos_token);
  const special = new Map(
    [...library.get_added_tokens_decoder()].map(([id, { content }]) => [content, id] as const),
  );
  if (named !== undefined) return special.get(named) ?? library.token_to_id(named);
  return ENDS.map((end) => special.get(end)).find((id) => id !== undefined);
}

/** A part of a `tokenizer.json` that may have parts of its kind. */
interface Decoder {
  readonly type?: unknown;
  readonly decoders?: readonly Decoder[];
}

/** What tells the bytes of tokens that are written byte by byte: a letter for each, or `<0xE6>` for one. */
function bytesOfPieces(library: Library, decoder: unknown): (id: number) => number | undefined {
  const typesOf = ({ type, decoders = [] }: Decoder): unknown[] => [type, ...decoders.flatMap(typesOf)];
  const types = typesOf((decoder ?? {}) as Decoder);
  const added = library.get_added_tokens_decoder();
  return (id) => {
    const piece = library.id_to_token(id);
    if (piece === undefined || added.has(id)) return undefined;
    if (types.includes('ByteLevel')) return [...piece].length;
    return types.includes('ByteFallback') && /^<0x[0-9A-Fa-f]{2}>$/.test(piece) ? 1 : undefined;
  };
}

function checked(id: unknown, vocabulary: number, file: string): number {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabulary) return id;
  throw invalidArgument(
    `token ${excerpt(id)} is not in the vocabulary of ${file}; expected 0 to ${vocabulary - 1}`,
  );
}
