import { createHash } from 'node:crypto';
import type { Json, LoadedCheckpoint } from '../checkpoint/folder.js';
import { invalidArgument, invalidFile, type PolycomError } from '../common/errors.js';
import { excerpt } from '../common/excerpt.js';
import type { BatchesState } from '../data/batches.js';
import type { Data } from '../data/open.js';
import { readManifest, type TokenSource } from '../data/shards.js';
import type { ModelConfig } from '../model/config.js';
import type { TrainSettings } from './settings.js';

/** Which tokens a run is trained on. */
export interface DataIdentity {
  readonly tokenizer: string;
  readonly vocabulary: number;
  /** To train with. */
  readonly tokens: number;
  /** SHA-256 of what tells them from others: equal tokens have equal hashes, whatever their files are called. */
  readonly hash: string;
}

/** What a checkpoint knows beside tensors and configuration: the `state` of its `state.json`. */
export interface TrainState {
  readonly schema: 1;
  /** SHA-256 of the model's configuration. */
  readonly configHash: string;
  readonly data: DataIdentity;
  /** Where the next window is. */
  readonly position: BatchesState;
  /** Batches drawn so far. With the seed it is the state of dropout, which counts rather than keeps a generator. */
  readonly drawn: number;
  /** Tokens trained on so far. */
  readonly tokens: number;
  /** Seeds and the schedule among them. */
  readonly settings: TrainSettings;
}

/** The tokens that a text's hash is made of, where there is no manifest. */
const HASHED_TOKENS = 2 ** 20;

/** Tells data by its tokens: by the checksums of its shards, else by its first tokens and its length. */
export function identityOf({ train, tokenizer, directory }: Data): DataIdentity {
  const hash = createHash('sha256');
  if (directory === undefined) hash.update(firstTokens(train));
  else {
    const shards = Object.entries(readManifest(directory).files).filter(([name]) => name.endsWith('.bin'));
    hash.update(JSON.stringify(shards.map(([name, { sha256 }]) => [name, sha256]).sort()));
  }
  return {
    tokenizer: tokenizer.name,
    vocabulary: train.vocabulary,
    tokens: train.length,
    hash: hash.update(`${train.length} ${tokenizer.name}`).digest('hex'),
  };
}

function firstTokens(source: TokenSource): Int32Array {
  const tokens = new Int32Array(Math.min(HASHED_TOKENS, source.length));
  source.read(0, tokens);
  return tokens;
}

/** SHA-256 of a configuration, whatever the order of its fields. */
export function hashOfConfig(config: ModelConfig): string {
  return createHash('sha256').update(canonical(config)).digest('hex');
}

function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`)
    .join()}}`;
}

/** Settings without which a position in the data, or dropout, means something else. */
const FIXED = ['seed', 'time'] as const satisfies (keyof TrainSettings)[];

/**
 * The state of a checkpoint, if training can go on from it with this model, data and settings.
 *
 * @throws {PolycomError} `INVALID_FILE` where it is no state of a training run; `INVALID_ARGUMENT` that names what
 *   differs
 */
export function checkState(
  { state, config, folder }: LoadedCheckpoint,
  wanted: { readonly config: ModelConfig; readonly data: DataIdentity; readonly settings: TrainSettings },
): TrainState {
  if (!isState(state)) {
    throw invalidFile(
      folder,
      'it does not hold the state of a training run',
      'train anew, in another folder',
    );
  }
  const found = state as unknown as TrainState;
  if (found.configHash !== hashOfConfig(wanted.config)) {
    throw other(folder, `another model: ${differences(config, wanted.config).join(', ')}`);
  }
  if (found.data.hash !== wanted.data.hash) {
    throw other(folder, `other data: ${described(found.data)} there, ${described(wanted.data)} here`);
  }
  for (const name of FIXED) {
    const [there, here] = [found.settings[name], wanted.settings[name]];
    if (there !== here) throw other(folder, `another ${name}: ${there} there, ${here} here`);
  }
  return found;
}

function isState(state: Json): boolean {
  const { schema, configHash, data, position, drawn, tokens, settings } = (state ??
    {}) as unknown as Partial<TrainState>;
  const numbers = [drawn, tokens, position?.epoch, position?.window];
  return (
    schema === 1 &&
    typeof configHash === 'string' &&
    typeof data?.hash === 'string' &&
    typeof settings === 'object' &&
    settings !== null &&
    numbers.every((value) => Number.isSafeInteger(value))
  );
}

/** What differs between the settings of a run and those it goes on with, such as `learningRate 0.001 to 0.0005`. */
export function changedSettings(before: TrainSettings, now: TrainSettings): string[] {
  return (Object.keys(now) as (keyof TrainSettings)[])
    .filter((name) => before[name] !== now[name])
    .map((name) => `${name} ${before[name]} to ${now[name]}`);
}

function differences(there: unknown, here: unknown, prefix = ''): string[] {
  const [a, b] = [there, here].map((value) => (value ?? {}) as Readonly<Record<string, unknown>>);
  return [...new Set([...Object.keys(a!), ...Object.keys(b!)])].flatMap((name) => {
    const [before, now] = [a![name], b![name]];
    if (canonical(before) === canonical(now)) return [];
    if (typeof before === 'object' && typeof now === 'object') {
      return differences(before, now, `${prefix}${name}.`);
    }
    return [`${prefix}${name} is ${shown(before)} there, ${shown(now)} here`];
  });
}

function shown(value: unknown): string {
  return value === undefined ? 'absent' : excerpt(value);
}

function described({ tokens, tokenizer, hash }: DataIdentity): string {
  return `${tokens.toLocaleString('en-US')} tokens of tokenizer ${tokenizer} (${hash.slice(0, 8)})`;
}

function other(folder: string, what: string): PolycomError {
  return invalidArgument(`${folder} was trained with ${what}`, {
    remedy: 'train into another folder, or go on as the run began',
  });
}
