import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { PolycomError } from 'polycom';
import { type Data, openData } from 'polycom/data';
import { identityOf } from 'polycom/train';
import type { DataSpec, RunSpec, SyntheticData, TextData } from '../types.js';

/** A run's id: 16 hex digits of the SHA-256 of its spec, whatever the order of its fields. */
export function idOf(spec: RunSpec): string {
  return createHash('sha256').update(canonical(spec)).digest('hex').slice(0, 16);
}

/** JSON with the fields of every object in order; those that are undefined are left out. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  const sorted = fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join()}}`;
}

/** A synthetic language by its seed; runs name it `synthetic`, or `synthetic-<seed>-<vocabulary>`. */
export function syntheticData(options: {
  seed?: number;
  vocabulary?: number;
  length: number;
}): SyntheticData {
  const { seed = 0, vocabulary = 64, length } = options;
  const name = seed === 0 && vocabulary === 64 ? 'synthetic' : `synthetic-${seed}-${vocabulary}`;
  return { kind: 'synthetic', name, seed, vocabulary, length };
}

/**
 * What a text, a folder of texts or one that `polycom prepare` made is, by its tokens. Text is cut into shards in the
 * user's cache, where the workers find it.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where it cannot be read
 */
export async function describeText(path: string): Promise<TextData> {
  const data = await openData(path);
  try {
    const { hash, tokenizer, vocabulary } = identityOf(data);
    return { kind: 'text', name: basename(path), hash, tokenizer, vocabulary };
  } finally {
    data.close();
  }
}

/**
 * Opens the data of a run.
 *
 * @param path where a text lies
 * @throws {PolycomError} `INVALID_ARGUMENT` where that is not the text of the spec any more
 */
export async function openSpec(spec: DataSpec, path?: string): Promise<Data> {
  if (spec.kind === 'synthetic') {
    const { seed, vocabulary, length } = spec;
    return await openData('synthetic', { synthetic: { seed, vocabulary, length } });
  }
  if (path === undefined) throw new PolycomError('INTERNAL', `nobody said where ${spec.name} lies`);
  const data = await openData(path);
  if (identityOf(data).hash === spec.hash) return data;
  data.close();
  throw new PolycomError('INVALID_ARGUMENT', `${path} has changed since these runs were planned`, {
    remedy: 'the same command again plans them anew',
  });
}
