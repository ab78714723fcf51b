import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FloatTensor } from '../checkpoint/folder.js';
import { exportHuggingFace } from '../checkpoint/huggingface.js';
import { readJson, writeJson } from '../checkpoint/json.js';
import { invalidArgument } from '../common/errors.js';
import { typed } from '../common/file-error.js';
import { exists } from '../common/files.js';
import { given } from '../common/objects.js';
import { checkNames, type Names } from '../common/options.js';
import { CONFIG_FILE, FAST_CLASS, TOKENIZER_FILE } from '../data/tokenizer.js';
import { type HuggingFaceOptions, isLlamaForm } from '../model/huggingface.js';
import { parameterShapes } from '../model/shapes.js';
import { bordersOf } from './borders.js';
import { readModel, tokenizerOf } from './load.js';

/** How a model is exported. */
export interface ExportOptions extends Pick<HuggingFaceOptions, 'dtype'> {
  /** `bytes`, or the path of a `tokenizer.json`; by default the one that lies in the model's folder. */
  readonly tokenizer?: string;
  /** Whether a folder that holds something may be written into; `false` by default. */
  readonly overwrite?: boolean;
}

const OPTIONS: Names<ExportOptions> = { dtype: true, tokenizer: true, overwrite: true };

/** An export. */
export interface ExportedModel {
  /** Where the weights were read: of a training run, the folder of its newest checkpoint. */
  readonly from: string;
  /** Of a checkpoint: how many steps it was trained. */
  readonly step?: number;
  /** Whether it is a plain `LlamaForCausalLM`; else it has its modelling file, for `trust_remote_code=True`. */
  readonly isLlama: boolean;
  /** How many numbers its parameters are. */
  readonly parameters: number;
}

/**
 * Writes a model and its tokenizer into a folder that `AutoModelForCausalLM` and `AutoTokenizer` of PyTorch's
 * transformers open.
 *
 * @param path a training run, one of its `step-*` folders, or a folder in Hugging Face's form
 * @param out the folder; made if absent
 * @throws {PolycomError} `INVALID_ARGUMENT` where `out` is not empty, or a weight is too large for the dtype;
 *   `UNSUPPORTED` for a model of ablations; and as `loadModel` does
 */
export async function exportModel(
  path: string,
  out: string,
  options: ExportOptions = {},
): Promise<ExportedModel> {
  checkNames('exportModel', options, OPTIONS);
  const { tokenizer: named, overwrite = false, dtype } = options;
  if (!overwrite) await checkEmpty(out);
  const { config, folder, step, take } = await readModel(path);
  const tokenizer = await tokenizerOf(path, folder, named);
  const borders = step === undefined ? await bordersOf(folder, config.vocabulary) : {};
  const ends = borders.ends ?? (tokenizer.endOfText === undefined ? [] : [tokenizer.endOfText]);
  const begin = borders.begin?.[0];
  const parameters = new Map<string, FloatTensor>();
  for (const [name, shape] of parameterShapes(config)) parameters.set(name, { shape, data: take(name) });
  await exportHuggingFace(parameters, config, out, {
    ...(ends.length === 0 ? {} : { endOfText: ends.length === 1 ? ends[0]! : ends }),
    ...given({ beginOfText: begin, dtype }),
  });
  await typed(out, 'write', async () => await tokenizer.save?.(out));
  await completeTokenizerConfig(out, { eos_token: ends[0], bos_token: begin });
  const count = [...parameters.values()].reduce((sum, { data }) => sum + data.length, 0);
  return given({ from: folder, step, isLlama: isLlamaForm(config), parameters: count });
}

/** Nothing may be written over unasked. */
async function checkEmpty(out: string): Promise<void> {
  const names = await typed(out, 'read', () =>
    readdir(out).catch((error: NodeJS.ErrnoException): string[] => {
      if (error.code === 'ENOENT') return [];
      throw error;
    }),
  );
  if (names.length === 0) return;
  throw invalidArgument(`${out} is not empty`, {
    remedy: 'name a new folder, or write over what is there: --overwrite',
  });
}

/** Adds what transformers must know of the tokenizer, where its own configuration does not say it. */
async function completeTokenizerConfig(
  folder: string,
  specials: Readonly<Record<'eos_token' | 'bos_token', number | undefined>>,
): Promise<void> {
  const path = join(folder, CONFIG_FILE);
  const written = ((await exists(path)) ? await readJson(path) : {}) as Readonly<Record<string, unknown>>;
  const { added_tokens: added = [] } = (await readJson(join(folder, TOKENIZER_FILE))) as {
    added_tokens?: readonly { readonly id: number; readonly content: string }[];
  };
  const named = Object.entries(specials).flatMap(([key, id]) => {
    const token = added.find((each) => each.id === id);
    return token === undefined || id === undefined ? [] : [[key, token.content]];
  });
  const complete = { tokenizer_class: FAST_CLASS, ...Object.fromEntries(named), ...written };
  if (Object.keys(complete).length > Object.keys(written).length) await writeJson(path, complete);
}
