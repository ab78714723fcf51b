import { basename, dirname, join, resolve } from 'node:path';
import { latest, loadCheckpoint } from '../checkpoint/folder.js';
import { importHuggingFace } from '../checkpoint/huggingface.js';
import { matchShapes } from '../checkpoint/match.js';
import { invalidArgument, invalidFile, PolycomError } from '../common/errors.js';
import { exists } from '../common/files.js';
import { given } from '../common/objects.js';
import { checkNames, type Names } from '../common/options.js';
import { loadTokenizer } from '../data/load-tokenizer.js';
import { TOKENIZER_FILE, type Tokenizer } from '../data/tokenizer.js';
import { checkConfig } from '../model/check.js';
import type { ModelConfig } from '../model/config.js';
import { fromHuggingFace } from '../model/huggingface.js';
import { Transformer } from '../model/transformer.js';
import { type Borders, bordersOf } from './borders.js';

/** A model that was read from a folder, with what turns text into its tokens. */
export interface LoadedModel extends Borders {
  readonly model: Transformer;
  readonly tokenizer: Tokenizer;
  /** Where its weights were: of a training run, the folder of its newest checkpoint. */
  readonly folder: string;
  /** Of a checkpoint: how many steps it was trained. */
  readonly step?: number;
}

/** A model's files. Each parameter is given once: it is forgotten then, as it may be large. */
export interface StoredModel {
  readonly config: ModelConfig;
  readonly folder: string;
  readonly step?: number;
  take(name: string): Float32Array;
}

/** What is in each step's folder and in no other. */
const STATE = 'state.json';

/** How a model is loaded. */
export interface LoadOptions {
  /** `bytes`, or the path of a `tokenizer.json`; by default the one that lies in the folder. */
  readonly tokenizer?: string;
}

const OPTIONS: Names<LoadOptions> = { tokenizer: true };

/**
 * Reads a model onto the active backend: of a training run (its newest checkpoint), of one of its `step-*` folders, or of
 * a folder in Hugging Face's form, an export of ours or a LLaMA.
 *
 * @param path the folder
 * @throws {PolycomError} `FILE_ERROR` where there is no model, `INVALID_FILE` where it is damaged, `UNSUPPORTED` for a
 *   model of another kind, `INVALID_ARGUMENT` for a tokenizer that is missing or not the model's
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  checkNames('loadModel', options, OPTIONS);
  const stored = await readModel(path);
  const { config, folder, step } = stored;
  const tokenizer = await tokenizerOf(path, folder, options.tokenizer);
  const borders = step === undefined ? await bordersOf(folder, config.vocabulary) : {};
  const model = Transformer.from(config, stored.take);
  return given({ model, tokenizer, folder, step, ...borders });
}

/**
 * Reads a model's files, as {@link loadModel} does, and makes no tensors of them.
 *
 * @throws {PolycomError} as {@link loadModel} does
 */
export async function readModel(path: string): Promise<StoredModel> {
  if ((await exists(join(path, STATE))) || (await latest(path)) !== undefined) return await readTrained(path);
  if (await exists(join(path, 'config.json'))) return await readImported(path);
  const what = (await exists(path)) ? 'holds no model' : 'is not there';
  throw new PolycomError('FILE_ERROR', `${path} ${what}`, {
    remedy:
      'name the folder that `polycom train --out` was given, one of its step-* folders, or one with config.json and model.safetensors',
  });
}

async function readTrained(path: string): Promise<StoredModel> {
  const { model, config: json, folder, step } = await loadCheckpoint(path, { optimizer: false });
  const config = configOf(json, join(folder, 'config.json'));
  matchShapes(folder, config, (name) => model.get(name)?.shape);
  const parameters = new Map(Array.from(model, ([name, { data }]) => [name, data]));
  return { config, folder, step, take: takerOf(parameters) };
}

/** A configuration of ours, or in Hugging Face's form. */
function configOf(json: unknown, where: string): ModelConfig {
  if (typeof json === 'object' && json !== null && 'model_type' in json) return fromHuggingFace(json, where);
  try {
    return checkConfig(json as ModelConfig);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw invalidFile(
      where,
      `it describes no model: ${why}`,
      'name another checkpoint, or train anew',
      cause,
    );
  }
}

async function readImported(folder: string): Promise<StoredModel> {
  const { config, shapes, read, close } = await importHuggingFace(folder);
  try {
    const parameters = new Map<string, Float32Array>();
    for (const name of shapes.keys()) parameters.set(name, await read(name));
    return { config, folder, take: takerOf(parameters) };
  } finally {
    await close();
  }
}

function takerOf(parameters: Map<string, Float32Array>): (name: string) => Float32Array {
  return (name) => {
    const values = parameters.get(name)!;
    parameters.delete(name);
    return values;
  };
}

/** The tokenizer that is named; else the one beside the weights or, of a training run, in the run's folder. */
export async function tokenizerOf(
  path: string,
  folder: string,
  named: string | undefined,
): Promise<Tokenizer> {
  if (named !== undefined) return await loadTokenizer(named);
  for (const candidate of new Set([folder, path, ...(isStep(path) ? [dirname(resolve(path))] : [])])) {
    if (await exists(join(candidate, TOKENIZER_FILE))) return await loadTokenizer(candidate);
  }
  throw invalidArgument(`there is no ${TOKENIZER_FILE} in ${path}`, {
    remedy: "say which tokenizer the model was trained with: 'bytes', or the path of a tokenizer.json",
  });
}

function isStep(path: string): boolean {
  return basename(resolve(path)).startsWith('step-');
}
