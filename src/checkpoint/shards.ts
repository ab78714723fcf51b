import { basename, join } from 'node:path';
import { invalidArgument, invalidFile, PolycomError } from '../common/errors.js';
import { excerpt, nameOf } from '../common/excerpt.js';
import { exists } from '../common/files.js';
import type { TensorInfo } from './header.js';
import { readJson, WHOLE_FOLDER } from './json.js';
import { openSafetensors, type SafetensorsFile, type TensorReader } from './safetensors.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const PICKLED = ['pytorch_model.bin', 'pytorch_model.bin.index.json', 'consolidated.00.pth'];

/**
 * Opens the weights of a folder as Hugging Face lays it out: `model.safetensors`, or the shards that
 * `model.safetensors.index.json` names.
 *
 * @throws {PolycomError} `FILE_ERROR` where neither is there; `INVALID_FILE` for a damaged file, or an index that does
 *   not agree with its shards
 */
export async function openWeights(folder: string): Promise<TensorReader> {
  if (await exists(join(folder, SINGLE))) return await openSafetensors(join(folder, SINGLE));
  const index = join(folder, INDEX);
  if (await exists(index)) return await openShards(folder, index);
  throw await absent(folder);
}

async function absent(folder: string): Promise<PolycomError> {
  const found = await Promise.all(PICKLED.map((name) => exists(join(folder, name))));
  const pickled = PICKLED.find((_, i) => found[i]);
  const beside = pickled === undefined ? '' : `, only ${pickled}, which is a Python pickle`;
  const remedy =
    pickled === undefined
      ? 'name a folder with config.json and model.safetensors'
      : 'in Python: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)';
  return new PolycomError('FILE_ERROR', `${folder} has neither ${SINGLE} nor ${INDEX}${beside}`, { remedy });
}

async function openShards(folder: string, index: string): Promise<TensorReader> {
  const shardOf = weightMap(index, await readJson(index));
  const wrong = (problem: string) => invalidFile(index, problem, WHOLE_FOLDER);
  const shards = new Map<string, SafetensorsFile>();
  try {
    for (const shard of new Set(shardOf.values())) {
      const path = join(folder, shard);
      if (!(await exists(path))) throw wrong(`it names ${nameOf(shard)}, which is not there`);
      shards.set(shard, await openSafetensors(path));
    }
    for (const [name, shard] of shardOf) {
      if (shards.get(shard)!.has(name)) continue;
      throw wrong(`it says that ${nameOf(shard)} has ${nameOf(name)}, which it has not`);
    }
    return new Shards(folder, shardOf, shards);
  } catch (error) {
    await closeAll(shards.values());
    throw error;
  }
}

/** The shard of each tensor, by name. */
function weightMap(index: string, content: unknown): Map<string, string> {
  const map = (content as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null) throw invalidFile(index, 'it has no weight_map', WHOLE_FOLDER);
  const entries = Object.entries(map as Record<string, unknown>);
  for (const [name, shard] of entries) {
    // A name with a path in it would read files outside the folder.
    if (typeof shard === 'string' && shard === basename(shard) && shard !== '..') continue;
    const problem = `the shard of ${nameOf(name)} is ${excerpt(shard)}; expected the name of a file`;
    throw invalidFile(index, problem, WHOLE_FOLDER);
  }
  return new Map(entries as [string, string][]);
}

async function closeAll(shards: Iterable<SafetensorsFile>): Promise<void> {
  for (const shard of shards) await shard.close();
}

/** Several files as one. */
class Shards implements TensorReader {
  readonly path: string;
  readonly #shardOf: ReadonlyMap<string, string>;
  readonly #shards: ReadonlyMap<string, SafetensorsFile>;

  constructor(
    path: string,
    shardOf: ReadonlyMap<string, string>,
    shards: ReadonlyMap<string, SafetensorsFile>,
  ) {
    this.path = path;
    this.#shardOf = shardOf;
    this.#shards = shards;
  }

  get names(): readonly string[] {
    return [...this.#shardOf.keys()];
  }

  has(name: string): boolean {
    return this.#shardOf.has(name);
  }

  info(name: string): TensorInfo {
    return this.#shard(name).info(name);
  }

  read(name: string): Promise<Uint8Array> {
    return this.#shard(name).read(name);
  }

  readFloats(name: string): Promise<Float32Array> {
    return this.#shard(name).readFloats(name);
  }

  async close(): Promise<void> {
    await closeAll(this.#shards.values());
  }

  #shard(name: string): SafetensorsFile {
    const shard = this.#shardOf.get(name);
    if (shard !== undefined) return this.#shards.get(shard)!;
    throw invalidArgument(`${this.path} has no tensor ${nameOf(name)}`);
  }
}
