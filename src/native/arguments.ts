import { PolycomError } from '../common/errors.js';
import { ITEM_BYTES, STORAGE, sizeOf } from './dtype.js';
import { koffi } from './koffi.js';
import type { Dtype, ElementType, IntegerTensor, Memory, NativeTensor } from './types.js';

// The layout of pc_args and pc_tensor in native/include/polycom.h.
const HEADER_BYTES = 104;
const TENSOR_BYTES = 144;
const MAX_RANK = 8;
const MAX_SCALARS = 8;
const OFFSET = {
  size: 0,
  inputs: 8,
  outputs: 12,
  scalarCount: 16,
  scalars: 24,
  workspace: 88,
  workspaceSize: 96,
};
const TENSOR_OFFSET = { data: 0, dtype: 8, rank: 12, shape: 16, strides: 80 };
const DTYPES: readonly ElementType[] = ['f32', 'f16', 'bf16', 'i32'];
const ARRAYS: Readonly<Record<ElementType, string>> = {
  f32: 'Float32Array',
  f16: 'Uint16Array',
  bf16: 'Uint16Array',
  i32: 'Int32Array',
};

/** An argument block of the C ABI: encoded once, passed by address, call after call. */
export class ArgumentBlock {
  readonly #bytes: DataView;
  readonly #inputs: number;
  readonly address: bigint;

  constructor(inputs: number, outputs: number, scalars: readonly number[]) {
    const bytes = HEADER_BYTES + (inputs + outputs) * TENSOR_BYTES;
    this.#bytes = new DataView(new ArrayBuffer(bytes));
    this.#inputs = inputs;
    this.address = koffi().address(this.#bytes);
    this.#bytes.setBigInt64(OFFSET.size, BigInt(bytes), true);
    this.#bytes.setInt32(OFFSET.inputs, inputs, true);
    this.#bytes.setInt32(OFFSET.outputs, outputs, true);
    this.#bytes.setInt32(OFFSET.scalarCount, scalars.length, true);
    for (const [i, value] of scalars.entries()) this.#bytes.setFloat64(OFFSET.scalars + 8 * i, value, true);
  }

  /** Writes tensor `index`, inputs first. */
  setTensor(index: number, tensor: NativeTensor | IntegerTensor): void {
    const at = HEADER_BYTES + index * TENSOR_BYTES;
    const { data, dtype = 'f32', shape, strides = contiguousStrides(shape) } = tensor;
    this.#bytes.setBigUint64(at + TENSOR_OFFSET.data, addressOf(data), true);
    this.#bytes.setInt32(at + TENSOR_OFFSET.dtype, DTYPES.indexOf(dtype), true);
    this.#bytes.setInt32(at + TENSOR_OFFSET.rank, shape.length, true);
    for (let i = 0; i < shape.length; ++i) {
      this.#bytes.setBigInt64(at + TENSOR_OFFSET.shape + 8 * i, BigInt(shape[i]!), true);
      this.#bytes.setBigInt64(at + TENSOR_OFFSET.strides + 8 * i, BigInt(strides[i]!), true);
    }
  }

  /** The dtype and shape that the op's plan gave output `index`. */
  plannedOutput(index: number): { dtype: Dtype; shape: number[] } {
    const at = HEADER_BYTES + (this.#inputs + index) * TENSOR_BYTES;
    const rank = this.#bytes.getInt32(at + TENSOR_OFFSET.rank, true);
    const shape = Array.from({ length: rank }, (_, i) =>
      Number(this.#bytes.getBigInt64(at + TENSOR_OFFSET.shape + 8 * i, true)),
    );
    return { dtype: DTYPES[this.#bytes.getInt32(at + TENSOR_OFFSET.dtype, true)]! as Dtype, shape };
  }

  /** The bytes of workspace that the op's plan asked for. */
  plannedWorkspace(): number {
    return Number(this.#bytes.getBigInt64(OFFSET.workspaceSize, true));
  }

  setWorkspace(memory: Memory): void {
    this.#bytes.setBigUint64(OFFSET.workspace, addressOf(memory), true);
  }
}

/** Checks all that the C side cannot see: that each tensor's elements lie inside its memory. */
export function checkTensor(op: string, name: string, tensor: NativeTensor | IntegerTensor): void {
  const { data, dtype = 'f32', shape, strides = contiguousStrides(shape) } = tensor;
  const wrong = (message: string, remedy?: string): never => {
    throw new PolycomError('INVALID_ARGUMENT', `${name} ${message}`, {
      op,
      shapes: { [name]: shape },
      ...(remedy === undefined ? {} : { remedy }),
    });
  };
  if (!DTYPES.includes(dtype)) wrong(`has dtype '${dtype}'; expected one of ${DTYPES.join(', ')}`);
  if (shape.length > MAX_RANK) wrong(`has rank ${shape.length}; expected at most ${MAX_RANK}`);
  if (strides.length !== shape.length) wrong(`has ${strides.length} strides; expected ${shape.length}`);
  for (const value of [...shape, ...strides]) {
    if (!Number.isSafeInteger(value) || value < 0)
      wrong(`has a size or stride of ${value}; expected a whole number`);
  }
  if (ArrayBuffer.isView(data)) {
    const expected = ARRAYS[dtype];
    const got = data.constructor.name;
    if (got !== expected && got !== 'Float16Array') wrong(`is a ${got}; expected a ${expected} for ${dtype}`);
  } else if (typeof data?.address !== 'bigint' || !Number.isSafeInteger(data.byteLength)) {
    wrong('has no memory; expected a typed array, or an address (bigint) with its byteLength');
  }
  const needed = spanOf(shape, strides) * ITEM_BYTES[dtype];
  if (needed > data.byteLength) {
    wrong(`needs ${needed} bytes and has ${data.byteLength}`, 'pass an array that holds the whole shape');
  }
}

export function checkScalars(op: string, scalars: readonly number[]): void {
  if (scalars.length <= MAX_SCALARS && scalars.every((value) => typeof value === 'number')) return;
  throw new PolycomError(
    'INVALID_ARGUMENT',
    `scalars are ${scalars}; expected at most ${MAX_SCALARS} numbers`,
    { op },
  );
}

/** Fresh zeroed memory for a contiguous tensor on the CPU. */
export function allocate(dtype: Dtype, shape: readonly number[]): NativeTensor {
  return { data: new STORAGE[dtype](sizeOf(shape)), dtype, shape };
}

/** Memory of at least `bytes` bytes that begins at a multiple of 64. */
export function allocateAligned(bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes + 64);
  const past = Number(koffi().address(whole) % 64n);
  return whole.subarray(past === 0 ? 0 : 64 - past).subarray(0, bytes);
}

function addressOf(memory: Memory): bigint {
  if (!ArrayBuffer.isView(memory)) return memory.address;
  // A small typed array lives inside V8's heap, where it may move, until its buffer is asked for.
  return memory.buffer.byteLength === 0 ? 0n : koffi().address(memory);
}

function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= shape[i]!;
  }
  return strides;
}

/** How many elements lie from a view's first to its last, inclusive. */
function spanOf(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((span, size, i) => span + (size - 1) * strides[i]!, 1);
}
