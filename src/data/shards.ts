import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { invalidArgument } from '../common/errors.js';
import type { Manifest } from '../common/store.js';
import { readTextSync } from '../common/text.js';
import type { InputFile } from './inputs.js';
import { damagedManifest, parseManifest } from './manifest.js';
import type { Shard } from './writer.js';

/** A sequence of tokens that can be read anywhere. */
export interface TokenSource {
  readonly length: number;
  /** Tokens are below it. */
  readonly vocabulary: number;
  /** Fills `into` with the tokens from `start` on; all of them must be there. */
  read(start: number, into: Int32Array): void;
  /** Closes its files; nothing can be read any more. */
  close(): void;
}

/** The two sides of the data. */
export type Side = 'train' | 'heldout';

/** What the `manifest.json` of a folder of token shards says about it, beside sizes and checksums of its files. */
export interface ShardsAbout {
  readonly kind: 'polycom tokens';
  readonly version: 1;
  readonly tokenizer: { readonly name: string; readonly vocabulary: number; readonly endOfText?: number };
  /** Bits of a stored token: 16 for vocabularies up to 65,536, else 32; unsigned, little-endian. */
  readonly bits: 16 | 32;
  /** The share of the text that was to be held out. */
  readonly share: number;
  /** The field of JSON lines that has the text. */
  readonly field: string;
  /** The mark at which texts were split into documents. */
  readonly splitAt?: string;
  readonly inputs: readonly InputFile[];
  /** Files of folders that are of other kinds. */
  readonly ignored: number;
  readonly documents: number;
  readonly sides: Readonly<Record<Side, { readonly tokens: number; readonly shards: readonly Shard[] }>>;
}

export type ShardsManifest = Manifest<ShardsAbout>;

/**
 * Reads and checks the manifest of a folder of token shards, and that every file has its size.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where it is no such folder, or damaged
 */
export function readManifest(folder: string): ShardsManifest {
  const path = join(folder, 'manifest.json');
  const manifest = parseManifest(path, folder);
  const { about, files } = manifest;
  for (const { tokens, shards } of Object.values(about.sides)) {
    const sum = shards.reduce((total, shard) => total + shard.tokens, 0);
    if (sum !== tokens) throw damagedManifest(path, `its shards have ${sum} tokens; expected ${tokens}`);
    for (const shard of shards) {
      const { size } = files[shard.file]!;
      const expected = (shard.tokens * about.bits) / 8;
      if (size !== expected)
        throw damagedManifest(path, `${shard.file} of ${size} bytes; expected ${expected}`);
    }
  }
  for (const [file, { size }] of Object.entries(files)) checkSize(join(folder, file), size);
  return manifest;
}

/** Whether a folder says that it holds token shards, be they whole or not. */
export function isShardsFolder(folder: string): boolean {
  try {
    const manifest = JSON.parse(readTextSync(join(folder, 'manifest.json'))) as ShardsManifest;
    return manifest.about.kind === 'polycom tokens';
  } catch {
    return false;
  }
}

/**
 * Opens one side of a folder that `prepareShards` made. Tokens are read when they are asked for, so the folder may be
 * larger than memory.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where it is no such folder, or damaged
 */
export function openShards(folder: string, side: Side): TokenSource {
  return new ShardReader(folder, readManifest(folder).about, side);
}

function checkSize(path: string, size: number): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw damagedManifest(path, 'it is missing');
  if (!found.isFile()) throw damagedManifest(path, 'it is no file');
  if (found.size !== size) throw damagedManifest(path, `${found.size} bytes; expected ${size}`);
}

const OPEN_FILES = 16;
const READ_BYTES = 1 << 20;

/** Reads shards by position, a few files open at a time: what was read lately is in the system's page cache. */
class ShardReader implements TokenSource {
  readonly length: number;
  readonly vocabulary: number;
  readonly #folder: string;
  readonly #bytes: number;
  readonly #shards: readonly Shard[];
  /** The position of the first token of each shard. */
  readonly #starts: number[] = [];
  /** File descriptors by shard, the one used last at the end. */
  readonly #files = new Map<number, number>();
  readonly #stamp: string;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #closed = false;

  constructor(folder: string, about: ShardsAbout, side: Side) {
    const { tokens, shards } = about.sides[side];
    this.length = tokens;
    this.vocabulary = about.tokenizer.vocabulary;
    this.#folder = folder;
    this.#bytes = about.bits / 8;
    this.#shards = shards;
    let start = 0;
    for (const shard of shards) {
      this.#starts.push(start);
      start += shard.tokens;
    }
    this.#stamp = this.#readStamp();
    this.#openFirst();
  }

  read(start: number, into: Int32Array): void {
    checkRange(this, start, into.length);
    if (this.#closed) throw invalidArgument(`${this.#folder} is read after it was closed`);
    let shard = this.#shardOf(start);
    for (let done = 0; done < into.length; ++shard) {
      const from = start + done - this.#starts[shard]!;
      const count = Math.min(into.length - done, this.#shards[shard]!.tokens - from);
      this.#readShard(shard, from, into.subarray(done, done + count));
      done += count;
    }
  }

  close(): void {
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
    this.#closed = true;
  }

  /** Whoever replaces the folder later does not touch files that are open. */
  #openFirst(): void {
    try {
      for (let shard = 0; shard < Math.min(this.#shards.length, OPEN_FILES); ++shard) this.#open(shard);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #shardOf(token: number): number {
    let [low, high] = [0, this.#starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= token) low = middle;
      else high = middle;
    }
    return low;
  }

  #readShard(shard: number, from: number, into: Int32Array): void {
    const file = this.#open(shard);
    const most = READ_BYTES / this.#bytes;
    for (let done = 0; done < into.length; done += most) {
      const count = Math.min(most, into.length - done);
      this.#readBytes(shard, file, count * this.#bytes, (from + done) * this.#bytes);
      const { buffer } = this.#buffer;
      const tokens =
        this.#bytes === 2 ? new Uint16Array(buffer, 0, count) : new Uint32Array(buffer, 0, count);
      for (let i = 0; i < count; ++i) {
        const token = tokens[i]!;
        if (token >= this.vocabulary) {
          const where = `token ${from + done + i} is ${token}; expected < ${this.vocabulary}`;
          throw damagedManifest(this.#path(shard), where);
        }
        into[done + i] = token;
      }
    }
  }

  #readBytes(shard: number, file: number, count: number, position: number): void {
    for (let got = 0; got < count; ) {
      const bytes = readSync(file, this.#buffer, got, count - got, position + got);
      if (bytes === 0) throw damagedManifest(this.#path(shard), `it ends at byte ${position + got}`);
      got += bytes;
    }
  }

  #open(shard: number): number {
    let file = this.#files.get(shard);
    if (file !== undefined) this.#files.delete(shard);
    else file = this.#openFile(shard);
    this.#files.set(shard, file);
    return file;
  }

  #openFile(shard: number): number {
    const [[oldest, unused] = []] = this.#files.size < OPEN_FILES ? [] : this.#files;
    if (unused !== undefined) closeSync(unused);
    if (oldest !== undefined) this.#files.delete(oldest);
    const path = this.#path(shard);
    if (this.#readStamp() !== this.#stamp) {
      throw invalidArgument(`${this.#folder} was prepared anew while it was in use`, {
        remedy: 'start again: the position in the data means something else now',
      });
    }
    const file = openFile(path);
    const { size } = fstatSync(file);
    const expected = this.#shards[shard]!.tokens * this.#bytes;
    if (size === expected) return file;
    closeSync(file);
    throw damagedManifest(path, `${size} bytes; expected ${expected}`);
  }

  #path(shard: number): string {
    return join(this.#folder, this.#shards[shard]!.file);
  }

  /** Tells a folder from one that has taken its place since. */
  #readStamp(): string {
    const found = statSync(join(this.#folder, 'manifest.json'), { throwIfNoEntry: false });
    return `${found?.ino} ${found?.mtimeMs}`;
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw invalidArgument(`${path} cannot be opened: ${(cause as Error).message}`, { cause });
  }
}

/** @throws {PolycomError} `INVALID_ARGUMENT` unless all those tokens are there */
export function checkRange({ length }: { readonly length: number }, start: number, count: number): void {
  if (Number.isSafeInteger(start) && start >= 0 && start + count <= length) return;
  throw invalidArgument(`tokens ${start} to ${start + count}; expected within 0 to ${length}`);
}
