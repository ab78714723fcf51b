import { basename } from 'node:path';
import { invalidArgument, PolycomError } from '../common/errors.js';
import { excerpt, nameOf } from '../common/excerpt.js';
import { isObject } from '../common/objects.js';
import { readTextSync } from '../common/text.js';
import type { ShardsManifest, Side } from './shards.js';

const SHARD_NAME = /^(train|heldout)-\d{5,}\.bin$/;

/**
 * Reads the manifest of a folder of token shards, and checks that it is one; not yet against the files.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where it is no such folder, or damaged
 */
export function parseManifest(path: string, folder: string): ShardsManifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(readTextSync(path));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw damagedManifest(path, 'it is no JSON');
    if (cause instanceof PolycomError) throw cause;
    throw invalidArgument(`${folder} is no folder of token shards: no manifest.json`, {
      remedy: 'polycom prepare <files> --out <folder> makes one',
      cause,
    });
  }
  if (!isOurs(manifest)) {
    throw invalidArgument(`${path} is not the manifest of token shards, or of another version`, {
      remedy: 'polycom prepare <files> --out <another folder>',
    });
  }
  const wrong = wrongOf(manifest);
  if (wrong === undefined) return manifest as unknown as ShardsManifest;
  throw damagedManifest(path, wrong);
}

type Fields = Readonly<Record<string, unknown>>;

/** Whether a value says that it is the manifest of token shards. */
function isOurs(value: unknown): value is { readonly about: Fields; readonly files?: unknown } {
  if (!isObject(value) || !isObject(value.about)) return false;
  return value.about.kind === 'polycom tokens' && value.about.version === 1;
}

/** What keeps such a value from being one. */
function wrongOf({ about, files }: { readonly about: Fields; readonly files?: unknown }): string | undefined {
  const { bits, tokenizer, sides } = about;
  if (bits !== 16 && bits !== 32) return `its bits are ${excerpt(bits)}; expected 16 or 32`;
  if (!isObject(tokenizer) || typeof tokenizer.name !== 'string') return 'it names no tokenizer';
  if (!isCount(tokenizer.vocabulary)) return `its vocabulary is ${excerpt(tokenizer.vocabulary)}; ${A_COUNT}`;
  if (!isObject(files)) return `its files are ${excerpt(files)}; expected an object`;
  for (const [file, entry] of Object.entries(files)) {
    // A name with a path in it would read files outside the folder.
    if (file !== basename(file) || file === '..')
      return `it names the file ${excerpt(file)}; expected no path`;
    const size = isObject(entry) ? entry.size : undefined;
    if (!isCount(size)) return `the size of ${nameOf(file)} is ${excerpt(size)}; ${A_COUNT}`;
  }
  if (!isObject(sides)) return `its sides are ${excerpt(sides)}; expected an object`;
  return wrongSide('train', sides.train, files) ?? wrongSide('heldout', sides.heldout, files);
}

const A_COUNT = 'expected a whole number, 0 or more';

function wrongSide(name: Side, side: unknown, files: Fields): string | undefined {
  if (!isObject(side) || !Array.isArray(side.shards))
    return `its ${name} is ${excerpt(side)}; expected shards`;
  if (!isCount(side.tokens)) return `the tokens of ${name} are ${excerpt(side.tokens)}; ${A_COUNT}`;
  for (const shard of side.shards as unknown[]) {
    const { file, tokens } = isObject(shard) ? shard : {};
    const isOne = typeof file === 'string' && SHARD_NAME.test(file) && isCount(tokens);
    if (!isOne) return `a shard of ${name} is ${excerpt(shard)}; expected a file and its tokens`;
    if (!Object.hasOwn(files, file)) return `its files lack ${file}`;
  }
  return undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The error of a folder of token shards that is not as it was made. */
export function damagedManifest(path: string, why: string): PolycomError {
  return invalidArgument(`${path} is damaged: ${why}`, {
    remedy: 'delete the folder, then run polycom prepare again',
  });
}
