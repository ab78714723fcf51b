import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidArgument } from '../common/errors.js';
import { PieceEncoder } from './pieces.js';
import type { Tokenizer } from './tokenizer.js';

/** One file of tokens: `tokens` little-endian whole numbers and nothing else. */
export interface Shard {
  readonly file: string;
  readonly tokens: number;
}

const BUFFER_TOKENS = 1 << 18;
/** Writes the tokens of one side, shard after shard, of texts that come in pieces: those that each has as a whole. */
export class ShardWriter {
  readonly #folder: string;
  readonly #name: string;
  readonly #tokenizer: Tokenizer;
  readonly #limit: number;
  readonly #buffer: Uint16Array | Uint32Array;
  readonly #shards: { file: string; tokens: number }[] = [];
  #filled = 0;
  #file: FileHandle | undefined;
  readonly #encoder: PieceEncoder;
  /** Whether the text at hand has any. */
  #begun = false;

  /**
   * @param name first part of the files' names
   * @param limit most tokens of a shard
   */
  constructor(folder: string, name: string, tokenizer: Tokenizer, limit: number) {
    this.#folder = folder;
    this.#name = name;
    this.#tokenizer = tokenizer;
    this.#limit = limit;
    this.#encoder = new PieceEncoder(tokenizer);
    const length = Math.min(BUFFER_TOKENS, limit);
    this.#buffer = bitsOf(tokenizer.vocabulary) === 16 ? new Uint16Array(length) : new Uint32Array(length);
  }

  /** More of a text. */
  async write(piece: string): Promise<void> {
    this.#begun ||= piece !== '';
    for (const ids of this.#encoder.push(piece)) await this.#put(ids);
  }

  /** The end of a text: what comes next has nothing to do with it. An empty one leaves nothing. */
  async endText(): Promise<void> {
    if (!this.#begun) return;
    this.#begun = false;
    for (const ids of this.#encoder.end()) await this.#put(ids);
    const { endOfText } = this.#tokenizer;
    if (endOfText !== undefined) await this.#put([endOfText]);
  }

  /** Writes what is left, and says which files there are. */
  async close(): Promise<readonly Shard[]> {
    await this.#flush();
    await this.#closeFile();
    return this.#shards;
  }

  /** Lets go of the file, of which nothing more is wanted. */
  async abandon(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
  }

  async #put(ids: ArrayLike<number>): Promise<void> {
    const { vocabulary, name } = this.#tokenizer;
    for (let i = 0; i < ids.length; ++i) {
      const id = ids[i]!;
      if (!(id < vocabulary)) {
        throw invalidArgument(`tokenizer ${name} gave token ${id}; expected < ${vocabulary}`);
      }
      this.#buffer[this.#filled++] = id;
      if (this.#filled === this.#room()) await this.#flush();
    }
  }

  /** How many tokens the buffer may hold before its shard, or itself, is full. */
  #room(): number {
    const written = this.#file === undefined ? 0 : this.#shards.at(-1)!.tokens;
    return Math.min(this.#buffer.length, this.#limit - written);
  }

  async #flush(): Promise<void> {
    if (this.#filled === 0) return;
    if (this.#file === undefined) {
      const file = `${this.#name}-${String(this.#shards.length).padStart(5, '0')}.bin`;
      this.#file = await open(join(this.#folder, file), 'wx');
      this.#shards.push({ file, tokens: 0 });
    }
    const shard = this.#shards.at(-1)!;
    const part = this.#buffer.subarray(0, this.#filled);
    await writeAll(this.#file, new Uint8Array(part.buffer, 0, part.byteLength));
    shard.tokens += this.#filled;
    this.#filled = 0;
    if (shard.tokens === this.#limit) await this.#closeFile();
  }

  async #closeFile(): Promise<void> {
    if (this.#file === undefined) return;
    await this.#file.sync();
    await this.#file.close();
    this.#file = undefined;
  }
}

/** Bits of a stored token. */
export function bitsOf(vocabulary: number): 16 | 32 {
  return vocabulary <= 2 ** 16 ? 16 : 32;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}
