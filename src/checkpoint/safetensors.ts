import type { FileHandle } from 'node:fs/promises';
import { invalidArgument, invalidFile, type PolycomError } from '../common/errors.js';
import { nameOf, shapeText } from '../common/excerpt.js';
import { typed } from '../common/file-error.js';
import { openFile } from '../common/files.js';
import { decodeHalves } from '../native/dtype.js';
import { type FileSum, readFully, writeAside } from './files.js';
import {
  byteCount,
  DTYPE_BYTES,
  damaged,
  type Header,
  LENGTH_BYTES,
  layOut,
  MAX_HEADER_BYTES,
  parseHeader,
  type SafeDtype,
  type TensorInfo,
} from './header.js';

/** A tensor to be written. */
export interface SafeTensor {
  readonly dtype: SafeDtype;
  /** Empty for a scalar. */
  readonly shape: readonly number[];
  /** The elements, row-major, as the dtype stores them; or who gives them when their turn has come. */
  readonly data: ArrayBufferView | (() => ArrayBufferView | Promise<ArrayBufferView>);
}

/** Tensors by name, wherever they are stored. */
export interface TensorReader {
  readonly names: readonly string[];
  has(name: string): boolean;
  /** @throws {PolycomError} `INVALID_ARGUMENT` for a name that is not there */
  info(name: string): TensorInfo;
  /** The stored bytes of a tensor. */
  read(name: string): Promise<Uint8Array>;
  /** A tensor of F32, F16, BF16 or F64 as floats; doubles are rounded. */
  readFloats(name: string): Promise<Float32Array>;
  close(): Promise<void>;
}

/** The dtypes that {@link TensorReader.readFloats} takes. */
export const FLOAT_DTYPES: readonly SafeDtype[] = ['F32', 'F16', 'BF16', 'F64'];

/** The remedy of weights of other dtypes. */
export const NOT_QUANTISED = 'use weights that are not quantised';

/** The elements that are converted at once: what is read does not stand beside its floats in full. */
const CONVERTED = 1 << 20;

/**
 * Writes a safetensors file (https://huggingface.co/docs/safetensors): aside, to the disk, then renamed. A kill leaves
 * the old file or the new one.
 *
 * @param tensors by name; elements of more bytes come first in the file
 * @param metadata what else the header shall say
 * @returns the file's size and CRC-32
 * @throws {PolycomError} `INVALID_ARGUMENT` for a name given twice or data that is not of the shape's size;
 *   `FILE_ERROR` where the system refuses
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [string, SafeTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<FileSum> {
  const named = new Map<string, SafeTensor>();
  for (const [name, tensor] of tensors) {
    checkTensor(name, tensor);
    if (named.has(name)) throw invalidTensor(name, 'is given twice');
    named.set(name, tensor);
  }
  const { header, order } = layOut(named, metadata);
  return writeAside(path, async (writer) => {
    await writer.write(header);
    for (const [name, tensor] of order) {
      const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
      checkSize(name, tensor, data);
      await writer.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  });
}

function checkTensor(name: string, { dtype, shape, data }: SafeTensor): void {
  if (name === '__metadata__') throw invalidTensor(name, 'is the name of the metadata');
  if (!Object.hasOwn(DTYPE_BYTES, dtype)) throw invalidTensor(name, `has dtype ${dtype}`);
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw invalidTensor(name, `has shape ${shapeText(shape)}; expected whole numbers, 0 or more`);
  }
  if (typeof data !== 'function') checkSize(name, { dtype, shape }, data);
}

function checkSize(name: string, { dtype, shape }: Omit<SafeTensor, 'data'>, data: ArrayBufferView): void {
  const expected = byteCount(dtype, shape);
  if (data.byteLength === expected) return;
  const what = `${dtype} ${shapeText(shape)}`;
  throw invalidTensor(name, `has ${data.byteLength} bytes; expected ${expected} of ${what}`);
}

function invalidTensor(name: string, problem: string): PolycomError {
  return invalidArgument(`tensor ${name} ${problem}`, { op: 'writeSafetensors' });
}

/**
 * Opens a safetensors file and checks its header against itself and the file's size. Tensors are read when they are
 * asked for, from their place in the file.
 *
 * @throws {PolycomError} `FILE_ERROR` where the system refuses; `INVALID_FILE` for a file that is damaged, cut off or
 *   of another kind, saying what is wrong
 */
export function openSafetensors(path: string): Promise<SafetensorsFile> {
  return typed(path, 'read', async () => {
    const handle = await openFile(path);
    try {
      return new SafetensorsFile(path, handle, await readHeader(path, handle));
    } catch (error) {
      await handle.close();
      throw error;
    }
  });
}

async function readHeader(path: string, handle: FileHandle): Promise<Header> {
  const { size } = await handle.stat();
  if (size === 0) throw damaged(path, 'it is empty');
  const start = Buffer.alloc(LENGTH_BYTES + 1);
  if (!(await readFully(handle, start, 0))) {
    throw damaged(path, `it has ${size} bytes; a safetensors file has more`);
  }
  const length = start.readBigUInt64LE();
  // Of another kind, most likely: the length of a header is seldom met by chance, its first character less so.
  if (length > MAX_HEADER_BYTES || start[LENGTH_BYTES] !== '{'.charCodeAt(0)) {
    throw invalidFile(path, `it is not a safetensors file${kindOf(start)}`, ANOTHER_KIND);
  }
  if (LENGTH_BYTES + Number(length) > size) {
    throw damaged(path, `it has ${size} bytes, its header alone ${length}: it is cut off`);
  }
  const json = new Uint8Array(Number(length));
  await readFully(handle, json, LENGTH_BYTES);
  return parseHeader(path, json, size);
}

const ANOTHER_KIND =
  "save it as safetensors: save_pretrained(folder, safe_serialization=True) in PyTorch's transformers";

/** What a file's first bytes say it is. */
function kindOf(start: Buffer): string {
  if (start.every((byte) => byte === 0)) return ': it begins with zeros';
  const kinds: [magic: string, kind: string][] = [
    ['PK\u0003\u0004', 'a zip archive, as torch.save writes'],
    ['\u0080', 'a Python pickle, as torch.save wrote'],
    ['GGUF', 'a GGUF model, of llama.cpp'],
    ['version ', 'a Git LFS pointer: the file itself was not downloaded'],
    ['\u0089HDF', 'an HDF5 file'],
    ['{', 'JSON'],
    ['<', 'a page of HTML or XML'],
  ];
  const text = start.toString('latin1');
  const found = kinds.find(([magic]) => text.startsWith(magic));
  return found === undefined ? '' : `, but ${found[1]}`;
}

/** An open safetensors file. */
export class SafetensorsFile implements TensorReader {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #handle: FileHandle;
  readonly #tensors: ReadonlyMap<string, TensorInfo>;

  constructor(path: string, handle: FileHandle, { tensors, metadata }: Header) {
    this.path = path;
    this.metadata = metadata;
    this.#handle = handle;
    this.#tensors = tensors;
  }

  /** In the order of the header. */
  get names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  info(name: string): TensorInfo {
    const info = this.#tensors.get(name);
    if (info !== undefined) return info;
    throw invalidArgument(`${this.path} has no tensor ${nameOf(name)}`);
  }

  async read(name: string): Promise<Uint8Array> {
    const { begin, end } = this.info(name);
    const bytes = new Uint8Array(end - begin);
    await this.#fill(bytes, begin);
    return bytes;
  }

  async readFloats(name: string): Promise<Float32Array> {
    const { dtype, begin, end } = this.info(name);
    if (!FLOAT_DTYPES.includes(dtype)) {
      const expected = FLOAT_DTYPES.join(', ');
      throw invalidFile(
        this.path,
        `tensor ${nameOf(name)} is ${dtype}; expected one of ${expected}`,
        NOT_QUANTISED,
      );
    }
    const width = DTYPE_BYTES[dtype];
    const floats = new Float32Array((end - begin) / width);
    if (dtype === 'F32') {
      await this.#fill(new Uint8Array(floats.buffer), begin);
      return floats;
    }
    for (let from = 0; from < floats.length; from += CONVERTED) {
      const stored = new Uint8Array(Math.min(CONVERTED, floats.length - from) * width);
      await this.#fill(stored, begin + from * width);
      floats.set(floatsOf(dtype, stored.buffer), from);
    }
    return floats;
  }

  /** Closes the file; reading fails from then on. */
  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #fill(into: Uint8Array, position: number): Promise<void> {
    const whole = await typed(this.path, 'read', () => readFully(this.#handle, into, position));
    if (!whole) throw damaged(this.path, 'it has become shorter since it was opened');
  }
}

function floatsOf(dtype: SafeDtype, stored: ArrayBuffer): ArrayLike<number> {
  if (dtype === 'F64') return new Float64Array(stored);
  return decodeHalves(new Uint16Array(stored), dtype === 'F16' ? 'f16' : 'bf16');
}
