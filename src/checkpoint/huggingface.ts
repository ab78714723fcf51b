import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PYTORCH_FILE, pytorchOf } from '../activations/pytorch.js';
import { activationRows } from '../activations/table.js';
import { invalidArgument, PolycomError } from '../common/errors.js';
import { nameOf } from '../common/excerpt.js';
import { typed } from '../common/file-error.js';
import { makeFolder } from '../common/folder.js';
import { checkNames, type Names } from '../common/options.js';
import { packageFolder } from '../common/package.js';
import type { ModelConfig } from '../model/config.js';
import {
  fromHuggingFace,
  type HuggingFaceOptions,
  isLlamaForm,
  toHuggingFace,
} from '../model/huggingface.js';
import { parameterShapes } from '../model/shapes.js';
import { writeAside } from './files.js';
import { type FloatTensor, writeFloats } from './folder.js';
import { readJson, writeJson } from './json.js';
import { matchShapes } from './match.js';
import { FLOAT_DTYPES, NOT_QUANTISED, type TensorReader } from './safetensors.js';
import { openWeights } from './shards.js';

/** A model in Hugging Face's form, its parameters not yet read. */
export interface ImportedModel {
  readonly config: ModelConfig;
  /** Of every parameter, in the model's order. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** A parameter's values. */
  read(name: string): Promise<Float32Array>;
  /** All parameters, in their order. */
  readAll(): Promise<Map<string, FloatTensor>>;
  close(): Promise<void>;
}

const PYTHON = ['configuration_polycom.py', 'modeling_polycom.py'];

/** Tensors of files that are no parameters: old LLaMA files have the rotary embedding's frequencies. */
const NO_PARAMETER = /\.rotary_emb\.inv_freq$/;

/**
 * Opens a folder in Hugging Face's form: a LLaMA, or what {@link exportHuggingFace} or PyTorch's transformers made of
 * one of ours. The weights may be f32, f16 or bf16, in one file or in shards.
 *
 * @throws {PolycomError} `UNSUPPORTED` for a model that the transformer here does not cover, `INVALID_FILE` for damaged
 *   files or tensors that are not those of the configuration, `FILE_ERROR` where files are absent
 */
export async function importHuggingFace(folder: string): Promise<ImportedModel> {
  const path = join(folder, 'config.json');
  const config = fromHuggingFace(await readJson(path), path);
  const weights = await openWeights(folder);
  const shapes = await closingOnError(weights, () => checkTensors(folder, config, weights));
  return {
    config,
    shapes,
    read: (name) => weights.readFloats(name),
    async readAll() {
      const parameters = new Map<string, FloatTensor>();
      for (const [name, shape] of shapes)
        parameters.set(name, { shape, data: await weights.readFloats(name) });
      return parameters;
    },
    close: () => weights.close(),
  };
}

async function closingOnError<T>(weights: TensorReader, work: () => T): Promise<T> {
  try {
    return work();
  } catch (error) {
    await weights.close();
    throw error;
  }
}

/** The shapes of the model's parameters, which the weights have, and nothing else. */
function checkTensors(
  folder: string,
  config: ModelConfig,
  weights: TensorReader,
): ReadonlyMap<string, readonly number[]> {
  const shapes = matchShapes(folder, config, (name) =>
    weights.has(name) ? weights.info(name).shape : undefined,
  );
  for (const name of shapes.keys()) {
    const { dtype } = weights.info(name);
    if (FLOAT_DTYPES.includes(dtype)) continue;
    const message = `${folder}: ${name} is ${dtype}; expected ${FLOAT_DTYPES.join(', ')}`;
    throw new PolycomError('UNSUPPORTED', message, { remedy: NOT_QUANTISED });
  }
  const others = weights.names.filter((name) => {
    return !shapes.has(name) && !NO_PARAMETER.test(name) && !(config.tied && name === 'lm_head.weight');
  });
  if (others.length === 0) return shapes;
  throw new PolycomError('UNSUPPORTED', `${folder}: the model here has no ${someOf(others)}`, {
    remedy: "run this model with PyTorch's transformers, or take another one",
  });
}

function someOf(names: readonly string[]): string {
  const rest = names.length - 3;
  return `${names
    .slice(0, 3)
    .map((name) => nameOf(name))
    .join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

const OPTIONS: Names<HuggingFaceOptions> = { endOfText: true, beginOfText: true, dtype: true };

/**
 * Writes a model into a folder that PyTorch's transformers loads: a gated dense model of SiLU, GELU or ReLU without
 * QK-norm and dropout as a plain `LlamaForCausalLM`; any other with its modelling file, for `trust_remote_code=True`.
 *
 * @param model all parameters by name
 * @param folder made if absent; files in it are replaced
 * @throws {PolycomError} `INVALID_ARGUMENT` for parameters that are not those of the configuration, or too large for
 *   the dtype; `FILE_ERROR` where the system refuses
 */
export async function exportHuggingFace(
  model: ReadonlyMap<string, FloatTensor>,
  config: ModelConfig,
  folder: string,
  options: HuggingFaceOptions = {},
): Promise<void> {
  checkNames('exportHuggingFace', options, OPTIONS);
  checkParameters(model, config);
  makeFolder(folder);
  if (!isLlamaForm(config)) await writePython(folder);
  const json = toHuggingFace(config, options);
  const { bos_token_id, eos_token_id } = json;
  await writeFloats(join(folder, 'model.safetensors'), model, options.dtype);
  await writeJson(join(folder, 'generation_config.json'), { bos_token_id, eos_token_id });
  await writeJson(join(folder, 'config.json'), json);
}

function checkParameters(model: ReadonlyMap<string, FloatTensor>, config: ModelConfig): void {
  const shapes = parameterShapes(config);
  const shapeOf = (of: readonly number[] | undefined) => (of === undefined ? 'absent' : `[${of.join(', ')}]`);
  for (const name of new Set([...shapes.keys(), ...model.keys()])) {
    const [expected, got] = [shapeOf(shapes.get(name)), shapeOf(model.get(name)?.shape)];
    if (expected === got) continue;
    throw invalidArgument(`parameter ${name} is ${got}; expected ${expected}`, { op: 'exportHuggingFace' });
  }
}

/** The modelling files, from this package's sources, and the activations, of the rows of the table. */
async function writePython(folder: string): Promise<void> {
  for (const name of PYTHON) {
    const source = join(packageFolder, 'src', 'checkpoint', 'python', name);
    const content = await typed(source, 'read', () => readFile(source));
    await writeAside(join(folder, name), (writer) => writer.write(content));
  }
  await writeAside(join(folder, PYTORCH_FILE), (writer) =>
    writer.write(Buffer.from(pytorchOf(activationRows))),
  );
}
