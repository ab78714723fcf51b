import { invalidFile, PolycomError } from '../common/errors.js';
import { excerpt, nameOf, shapeText } from '../common/excerpt.js';
import { isObject } from '../common/objects.js';

/** The bytes of an element, by the format's name of the dtype. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const;

/** How a safetensors file stores elements. */
export type SafeDtype = keyof typeof DTYPE_BYTES;

/** What a safetensors file says of a tensor. */
export interface TensorInfo {
  readonly dtype: SafeDtype;
  readonly shape: readonly number[];
  /** Where its bytes begin and end, in the file. */
  readonly begin: number;
  readonly end: number;
}

/** What the header of a safetensors file holds. */
export interface Header {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The bytes before the header's JSON: its length, a little-endian u64. */
export const LENGTH_BYTES = 8;

/** The longest header that safetensors' own reader takes. */
export const MAX_HEADER_BYTES = 100_000_000;

const METADATA = '__metadata__';
const ENTRY_KEYS = ['data_offsets', 'dtype', 'shape'];

/** The typed error of a safetensors file that was once whole, most likely. */
export function damaged(path: string, problem: string, cause?: unknown): PolycomError {
  return invalidFile(path, problem, 'copy or download the file again', cause);
}

/**
 * Reads and checks the JSON of a safetensors header: names once, known dtypes, sizes that fit the shapes, and offsets
 * that cover the rest of the file without gap or overlap.
 *
 * @param json the header's bytes, `LENGTH_BYTES` into the file
 * @param size the file's size in bytes
 * @throws {PolycomError} `INVALID_FILE`, naming the file and the tensor
 */
export function parseHeader(path: string, json: Uint8Array, size: number): Header {
  const fields = objectOf(path, 'the header', parseJson(path, json));
  const start = LENGTH_BYTES + json.length;
  const { [METADATA]: metadata, ...entries } = fields;
  const tensors = new Map(
    Object.entries(entries).map(([name, entry]) => [name, infoOf(path, name, entry, start)]),
  );
  checkCoverage(path, tensors, start, size);
  return { tensors, metadata: metadataOf(path, metadata) };
}

/** Lays tensors out behind a header: the widest elements first, so that each begins at a multiple of its width. */
export function layOut<T extends { readonly dtype: SafeDtype; readonly shape: readonly number[] }>(
  tensors: ReadonlyMap<string, T>,
  metadata: Readonly<Record<string, string>>,
): { readonly header: Uint8Array; readonly order: readonly [string, T][] } {
  const order = [...tensors].sort(([, a], [, b]) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
  const fields: [string, unknown][] = Object.keys(metadata).length === 0 ? [] : [[METADATA, metadata]];
  let end = 0;
  for (const [name, { dtype, shape }] of order) {
    const begin = end;
    end += byteCount(dtype, shape);
    fields.push([name, { dtype, shape, data_offsets: [begin, end] }]);
  }
  // Not an object of all fields: its keys that look like numbers would come first, and `__proto__` be lost.
  const json = fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',');
  return { header: headerOf(`{${json}}`), order };
}

/** The bytes of a tensor. */
export function byteCount(dtype: SafeDtype, shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, DTYPE_BYTES[dtype]);
}

/** The length, and the JSON padded with spaces to a multiple of 8 bytes. */
function headerOf(json: string): Uint8Array {
  const text = Buffer.from(json);
  const length = Math.ceil(text.length / 8) * 8;
  const header = Buffer.alloc(LENGTH_BYTES + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  text.copy(header, LENGTH_BYTES);
  return header;
}

function parseJson(path: string, bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    const twice = repeatedKey(text);
    if (twice === undefined) return value;
    throw damaged(path, `its header names ${excerpt(twice)} twice`);
  } catch (cause) {
    if (cause instanceof PolycomError) throw cause;
    throw damaged(path, `its header is not JSON (${(cause as Error).message})`, cause);
  }
}

/** A key that an object of a JSON text has twice, which JSON.parse overlooks. */
function repeatedKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (const [token, string] of json.matchAll(/("(?:[^"\\]|\\.)*")(?=\s*:)|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (string !== undefined) {
      const key = JSON.parse(string) as string;
      if (open.at(-1)!.has(key)) return key;
      open.at(-1)!.add(key);
    }
  }
  return undefined;
}

function objectOf(path: string, what: string, value: unknown): Record<string, unknown> {
  if (isObject(value)) return value;
  throw damaged(path, `${what} is ${excerpt(value)}; expected an object`);
}

function metadataOf(path: string, value: unknown): Record<string, string> {
  if (value === undefined) return {};
  const metadata = objectOf(path, METADATA, value);
  const wrong = Object.entries(metadata).find(([, text]) => typeof text !== 'string');
  if (wrong === undefined) return metadata as Record<string, string>;
  throw damaged(path, `${METADATA} has ${nameOf(wrong[0])}: ${excerpt(wrong[1])}; expected a string`);
}

function infoOf(path: string, name: string, entry: unknown, start: number): TensorInfo {
  const fail = (problem: string) => damaged(path, `tensor ${nameOf(name)}: ${problem}`);
  const fields = objectOf(path, `the header's entry of ${nameOf(name)}`, entry);
  const { dtype, shape, data_offsets: offsets } = fields;
  const strange = Object.keys(fields).find((key) => !ENTRY_KEYS.includes(key));
  if (strange !== undefined) throw fail(`has ${excerpt(strange)}, which the format does not know`);
  if (!isDtype(dtype)) {
    throw fail(`its dtype is ${excerpt(dtype)}; expected one of ${Object.keys(DTYPE_BYTES).join(', ')}`);
  }
  if (!isSizes(shape)) throw fail(`its shape is ${excerpt(shape)}; expected whole numbers, 0 or more`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw fail(`its data_offsets are ${excerpt(offsets)}; expected [begin, end], begin no more than end`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = byteCount(dtype, shape);
  if (bytes !== end - begin) {
    const expected = Number.isSafeInteger(bytes) ? `${bytes} bytes` : 'more bytes than a file can have';
    throw fail(`${dtype} ${shapeText(shape)} takes ${expected}, but has ${end - begin}`);
  }
  return { dtype, shape, begin: start + begin, end: start + end };
}

function isDtype(value: unknown): value is SafeDtype {
  return typeof value === 'string' && Object.hasOwn(DTYPE_BYTES, value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function checkCoverage(
  path: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  start: number,
  size: number,
): void {
  let end = start;
  for (const [name, info] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (info.begin !== end) {
      const fault = info.begin < end ? 'overlaps the one before it' : 'leaves a gap before it';
      throw damaged(
        path,
        `tensor ${nameOf(name)}: it begins at byte ${info.begin}, expected ${end}: it ${fault}`,
      );
    }
    end = info.end;
  }
  if (end === size) return;
  const fault = size < end ? 'it is cut off' : 'something follows the tensors';
  throw damaged(path, `it has ${size} bytes, its header speaks of ${end}: ${fault}`);
}
