import { join } from 'node:path';
import { readJson } from '../checkpoint/json.js';
import { invalidFile } from '../common/errors.js';
import { excerpt } from '../common/excerpt.js';
import { exists } from '../common/files.js';
import { isObject } from '../common/objects.js';
import { TOKENIZER_FILE } from '../data/tokenizer.js';

/** The tokens between which a model of Hugging Face's was shown its texts. */
export interface Borders {
  /** Stand before each text; none by default. */
  readonly begin?: readonly number[];
  /** End it; the tokenizer's end-of-text token by default. */
  readonly ends?: readonly number[];
}

/**
 * The borders that a folder in Hugging Face's form declares: before the text what `tokenizer.json` puts there, if
 * `config.json` has a `bos_token_id` (ours have none: our models train on texts without), and as ends the `eos_token_id`s
 * of `generation_config.json`, or else of `config.json`.
 *
 * @param vocabulary tokens are below it
 * @throws {PolycomError} `INVALID_FILE` for a file that is no JSON, or a token that the model has not
 */
export async function bordersOf(folder: string, vocabulary: number): Promise<Borders> {
  const config = await objectIn(folder, 'config.json');
  const generation = await objectIn(folder, 'generation_config.json');
  const from = generation.eos_token_id == null ? 'config.json' : 'generation_config.json';
  const idsIn = (file: string, field: string, value: unknown) =>
    idsOf(value, { field: `${join(folder, file)}: ${field}`, vocabulary });
  const ends = idsIn(from, 'eos_token_id', generation.eos_token_id ?? config.eos_token_id);
  const begins = idsIn('config.json', 'bos_token_id', config.bos_token_id).length > 0;
  const { post_processor: processor } = begins ? await objectIn(folder, TOKENIZER_FILE) : {};
  const begin = idsIn(TOKENIZER_FILE, 'post_processor', beginOf(processor));
  return { ...(begin.length > 0 ? { begin } : {}), ...(ends.length > 0 ? { ends } : {}) };
}

async function objectIn(folder: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(folder, name);
  const json = (await exists(path)) ? await readJson(path) : undefined;
  return isObject(json) ? json : {};
}

/** Sequences of sequences. */
const MOST_NESTED = 8;

/** Nothing, a token or a list of them. */
function idsOf(value: unknown, { field, vocabulary }: { field: string; vocabulary: number }): number[] {
  const list: unknown[] = Array.isArray(value) ? value : [value ?? []].flat();
  const isToken = (id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabulary;
  if (list.every(isToken)) return list as number[];
  const expected = `expected tokens from 0 to ${vocabulary - 1}`;
  throw invalidFile(field, `it is ${excerpt(value)}; ${expected}`, 'correct it; null is for none');
}

/** What a TemplateProcessing puts before its first sequence. */
function beginOf(processor: unknown, depth = MOST_NESTED): unknown[] {
  if (!isObject(processor) || depth === 0) return [];
  const { type, processors, single, special_tokens: tokens } = processor;
  if (type === 'Sequence') return listOf(processors).flatMap((part) => beginOf(part, depth - 1));
  if (type !== 'TemplateProcessing') return [];
  const parts = listOf(single).filter(isObject);
  const first = parts.findIndex(({ Sequence }) => Sequence !== undefined);
  return parts.slice(0, Math.max(first, 0)).flatMap(({ SpecialToken: token }) => {
    const found = isObject(token) && isObject(tokens) ? tokens[String(token.id)] : undefined;
    return isObject(found) ? listOf(found.ids) : [];
  });
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
