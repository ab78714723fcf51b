import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { readJson } from '../checkpoint/folder.js';
import { TOKENIZER_FILE } from '../data/tokenizer.js';

/** The tokens between which a model of Hugging Face's was shown its texts. */
export interface Borders {
  /** Stand before each text; none by default. */
  readonly begin?: readonly number[];
  /** End it; the tokenizer's end-of-text token by default. */
  readonly ends?: readonly number[];
}

/** A part of a tokenizer's `post_processor`, as the library tokenizers writes it. */
interface Processor {
  readonly type?: unknown;
  readonly processors?: readonly Processor[];
  readonly single?: readonly {
    readonly SpecialToken?: { readonly id: string };
    readonly Sequence?: object;
  }[];
  readonly special_tokens?: Readonly<Record<string, { readonly ids: readonly number[] }>>;
}

/**
 * The borders that a folder in Hugging Face's form declares: before the text what `tokenizer.json` puts there, if
 * `config.json` has a `bos_token_id` (ours have none: our models train on texts without), and as ends the `eos_token_id`s
 * of `generation_config.json`, or else of `config.json`.
 *
 * @throws {PolycomError} `INVALID_FILE` for a file that is no JSON
 */
export async function bordersOf(folder: string): Promise<Borders> {
  const config = await objectIn(folder, 'config.json');
  const generation = await objectIn(folder, 'generation_config.json');
  const ends = idsOf(generation.eos_token_id ?? config.eos_token_id);
  const begins = idsOf(config.bos_token_id).length > 0;
  const { post_processor: processor } = begins ? await objectIn(folder, TOKENIZER_FILE) : {};
  const begin = beginOf(processor as Processor | null | undefined);
  return { ...(begin.length > 0 ? { begin } : {}), ...(ends.length > 0 ? { ends } : {}) };
}

async function objectIn(folder: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(folder, name);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  const json = isThere ? await readJson(path) : undefined;
  return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
}

function idsOf(value: unknown): number[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((id): id is number => Number.isInteger(id));
}

/** What a TemplateProcessing puts before its first sequence. */
function beginOf(processor: Processor | null | undefined): number[] {
  if (processor?.type === 'Sequence') return (processor.processors ?? []).flatMap(beginOf);
  if (processor?.type !== 'TemplateProcessing') return [];
  const parts = processor.single ?? [];
  const first = parts.findIndex(({ Sequence }) => Sequence !== undefined);
  return parts
    .slice(0, Math.max(first, 0))
    .flatMap(({ SpecialToken }) => idsOf(processor.special_tokens?.[SpecialToken?.id ?? '']?.ids));
}
