import { PolycomError, type PolycomErrorCode } from './errors.js';
import { readWhole, readWholeSync } from './files.js';

const REMEDY = 'unpack it if it is compressed; convert other encodings: iconv -f <encoding> -t UTF-8';

/** What a text is called in errors, and their code; `INVALID_ARGUMENT` unless another is named. */
export interface TextName {
  readonly name: string;
  readonly code?: PolycomErrorCode;
}

/**
 * The text of a file that a person may have written or edited. A byte order mark is left out. Errors of the system come
 * as they are.
 *
 * @param code of the error where it is no UTF-8 text
 * @throws {PolycomError} where it is no UTF-8 text: the message says how to make it one
 */
export async function readText(path: string, code?: PolycomErrorCode): Promise<string> {
  return decodeText(await readWhole(path), named(path, code));
}

/** As {@link readText}, at once. */
export function readTextSync(path: string, code?: PolycomErrorCode): string {
  return decodeText(readWholeSync(path), named(path, code));
}

/** As {@link readText}, of bytes that were read already. */
export function decodeText(bytes: Uint8Array, name: TextName): string {
  const decoder = new Utf8Decoder(name);
  return decoder.push(bytes) + decoder.end();
}

function named(name: string, code?: PolycomErrorCode): TextName {
  return code === undefined ? { name } : { name, code };
}

/** Decodes a text that comes in chunks, as {@link readText} does. */
export class Utf8Decoder {
  readonly #name: TextName;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #bytes = 0;

  constructor(name: TextName) {
    this.#name = name;
  }

  /** The text of the next bytes; a character that they begin alone comes with those that end it. */
  push(chunk: Uint8Array): string {
    const start = this.#bytes;
    this.#bytes += chunk.length;
    const text = decoded(() => this.#decoder.decode(chunk, { stream: true }));
    const good = text === undefined ? firstBadByte(chunk) : chunk.length;
    checkChunk(chunk, start, this.#name, good);
    if (text !== undefined) return text;
    throw notText(this.#name, `byte ${start + good} or one shortly before it is none of UTF-8`);
  }

  end(): string {
    const text = decoded(() => this.#decoder.decode());
    if (text !== undefined) return text;
    throw notText(this.#name, `it ends inside a character, at byte ${this.#bytes}`);
  }
}

/**
 * Refuses bytes that are no text even where they are valid UTF-8: ASCII in UTF-16 is, with a NUL beside each letter.
 *
 * @param start how many bytes stand before them
 * @param good how many of them are UTF-8
 */
export function checkChunk(
  chunk: Uint8Array,
  start: number,
  name: TextName,
  good: number = chunk.length,
): void {
  const encoding = start === 0 ? encodingOfMark(chunk) : undefined;
  if (encoding !== undefined) {
    throw notText(name, `it begins with the byte order mark of ${encoding}`, convert(encoding));
  }
  const nul = chunk.indexOf(0);
  if (nul < 0) return;
  const zeros = encodingOfZeros(fromCharacter(chunk, nul, start));
  if (zeros !== undefined) throw notText(name, `its zero bytes are those of ${zeros}`, convert(zeros));
  if (nul < good) throw ofNul(chunk.subarray(nul), start + nul, name);
}

/** The encoding that the first bytes declare, where it is not UTF-8. */
function encodingOfMark([a, b, c, d]: Uint8Array): string | undefined {
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 ? 'UTF-32' : 'UTF-16';
  if (a === 0xfe && b === 0xff) return 'UTF-16';
  return a === 0 && b === 0 && c === 0xfe && d === 0xff ? 'UTF-32' : undefined;
}

const SAMPLE = 4096;

/** Some bytes from about `at` on, from where a character of four bytes begins. */
function fromCharacter(chunk: Uint8Array, at: number, start: number): Uint8Array {
  const from = at - ((start + at) % 4);
  return chunk.subarray(from < 0 ? from + 4 : from, at + SAMPLE);
}

function ofNul(zeros: Uint8Array, where: number, name: TextName): PolycomError {
  const run = zeros.findIndex((byte) => byte !== 0);
  const count = run < 0 ? zeros.length : run;
  const what = count === 1 ? 'is zero' : `and the next ${(count - 1).toLocaleString('en-US')} are zeros`;
  return notText(
    name,
    `byte ${where} ${what}, which no text has`,
    `${REMEDY}; a file that was preallocated, or whose writing broke off, is without its zeros after: tr -d '\\000'`,
  );
}

/** The encoding without a mark whose ASCII has its zero bytes where a sample has them, which begins with a character. */
function encodingOfZeros(sample: Uint8Array): string | undefined {
  const quarters = sample.length >> 2;
  const zeros = [0, 0, 0, 0];
  const characters = Math.max(quarters * 4, sample.length & ~1);
  for (let i = 0; i < characters; ++i) zeros[i & 3]! += sample[i] === 0 ? 1 : 0;
  const [a, b, c, d] = zeros as [number, number, number, number];
  if (quarters >= 2 && d === quarters && c === quarters && a + b <= quarters * 1.1) return 'UTF-32LE';
  if (quarters >= 2 && a === quarters && b === quarters && c + d <= quarters * 1.1) return 'UTF-32BE';
  const [even, odd] = [a + c, b + d];
  const [most, least] = [Math.max(even, odd), Math.min(even, odd)];
  if (most < 2 || most * 8 < characters || least * 10 > most) return undefined;
  return odd > even ? 'UTF-16LE' : 'UTF-16BE';
}

function convert(encoding: string): string {
  return `convert it: iconv -f ${encoding} -t UTF-8`;
}

function notText({ name, code = 'INVALID_ARGUMENT' }: TextName, why: string, remedy = REMEDY): PolycomError {
  return new PolycomError(code, `${name} is no UTF-8 text: ${why}`, { remedy });
}

/** The length of the longest start of a chunk that decodes: a chunk may begin inside a character. */
function firstBadByte(chunk: Uint8Array): number {
  let begin = 0;
  while (begin < 3 && (chunk[begin]! & 0xc0) === 0x80) ++begin;
  let [good, bad] = [begin, chunk.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    const part = chunk.subarray(begin, middle);
    const text = decoded(() => new TextDecoder('utf-8', { fatal: true }).decode(part, { stream: true }));
    if (text !== undefined) good = middle;
    else bad = middle;
  }
  return good;
}

/** What a decoder gives; nothing where the bytes are not its encoding's. */
function decoded(decode: () => string): string | undefined {
  try {
    return decode();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return undefined;
    throw error;
  }
}
