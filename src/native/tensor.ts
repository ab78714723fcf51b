import { arrayType } from '../common/arrays.js';
import { PolycomError } from '../common/errors.js';
import { checkTensor } from './arguments.js';
import { decode, encoded as encodedAs, ITEM_BYTES, STORAGE, type Stored, sizeOf } from './dtype.js';
import { copyMemory, DeviceMemory, download } from './memory.js';
import type { Queue } from './queue.js';
import type { Dtype, ElementType, IntegerTensor, NativeTensor } from './types.js';

/** What a tensor can be made from: numbers, or for f16 and bf16 their bits in a Uint16Array. */
export type TensorValues =
  | readonly number[]
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** What a tensor of this type is read as. */
export type ArrayOf<D extends ElementType> = D extends 'i32' ? Int32Array : Float32Array;

/**
 * A contiguous tensor on a queue's device, which ops take and write. It owns its memory until `dispose`, or the end of
 * a `using` scope; one that is dropped instead is freed some time later, and never within synchronous code.
 * Use it on its own queue, or on another of the same device once the work on its own is done.
 */
export class DeviceTensor<D extends ElementType = Dtype> implements Disposable {
  readonly queue: Queue;
  readonly shape: readonly number[];
  readonly dtype: D;
  /** The number of elements. */
  readonly size: number;
  readonly #memory: DeviceMemory;

  private constructor(queue: Queue, shape: readonly number[], dtype: D) {
    this.queue = queue;
    this.size = checkedSize(shape, dtype);
    this.shape = Object.freeze([...shape]);
    this.dtype = dtype;
    this.#memory = DeviceMemory.allocate(queue, this.size * ITEM_BYTES[dtype]);
  }

  /**
   * A tensor that may hold anything.
   *
   * @param shape sizes, outermost first; `[]` is a scalar
   * @param dtype f32 by default
   * @throws {PolycomError} `OUT_OF_MEMORY`, naming the bytes in use; `LIBRARY_NOT_FOUND` where the addon has not been
   *   built; `INVALID_ARGUMENT`
   */
  static alloc<D extends ElementType = 'f32'>(
    queue: Queue,
    shape: readonly number[],
    dtype: D = 'f32' as D,
  ): DeviceTensor<D> {
    return new DeviceTensor(queue, shape, dtype);
  }

  /**
   * A tensor that holds these values, row by row. Numbers become f32, and then another dtype by rounding to nearest,
   * ties to even; a Uint16Array, for f16 and bf16, holds their bits. Those of i32 must be whole numbers that it holds.
   * Once this returns, `values` may change.
   *
   * @throws {PolycomError} as {@link DeviceTensor.alloc}
   */
  static fromArray<D extends ElementType = 'f32'>(
    queue: Queue,
    values: TensorValues,
    shape: readonly number[],
    dtype: D = 'f32' as D,
  ): DeviceTensor<D> {
    const size = checkedSize(shape, dtype);
    if (!Array.isArray(values) && !ArrayBuffer.isView(values)) {
      throw new PolycomError('INVALID_ARGUMENT', `values are ${values}; expected an array of numbers`);
    }
    if (values.length !== size) {
      throw new PolycomError('INVALID_ARGUMENT', `got ${values.length} values; expected ${size}`, {
        shapes: { tensor: shape },
      });
    }
    const stored = storedValues(values, dtype);
    const tensor = new DeviceTensor(queue, shape, dtype);
    try {
      copyMemory(queue, tensor.#memory, stored);
      queue.synchronize();
    } catch (error) {
      tensor.dispose();
      throw error;
    }
    return tensor;
  }

  /** Where the elements lie, for native code. Throws once the tensor has been disposed. */
  get data(): DeviceMemory {
    if (!this.#memory.disposed) return this.#memory;
    throw new PolycomError('INVALID_ARGUMENT', 'this tensor has been disposed', {
      shapes: { tensor: this.shape },
      remedy: 'dispose a tensor after its last use',
    });
  }

  get disposed(): boolean {
    return this.#memory.disposed;
  }

  /** The elements, row by row, as the work queued so far leaves them. On CUDA nothing waits but the promise. */
  async toArray(): Promise<ArrayOf<D>> {
    if (this.queue.device === 'cpu') return this.toArraySync();
    return this.#decode(await download(this.data));
  }

  /** As {@link DeviceTensor.toArray}, waiting for the queue. */
  toArraySync(): ArrayOf<D> {
    const { data, queue } = this;
    const buffer = new ArrayBuffer(data.byteLength);
    copyMemory(queue, new Uint8Array(buffer), data);
    queue.synchronize();
    return this.#decode(buffer);
  }

  /** Frees the memory once the work that was queued before is done, on the queue's device. Again: nothing. */
  dispose(): void {
    this.#memory.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #decode(stored: ArrayBuffer): ArrayOf<D> {
    const dtype: ElementType = this.dtype;
    const values = dtype === 'i32' ? new Int32Array(stored) : decode(new STORAGE[dtype](stored), dtype);
    return values as ArrayOf<D>;
  }
}

function checkedSize(shape: readonly number[], dtype: ElementType): number {
  if (!Array.isArray(shape)) {
    throw new PolycomError('INVALID_ARGUMENT', `shape is ${shape}; expected an array of sizes`);
  }
  const size = sizeOf(shape);
  // Checked as an op checks it, against memory of any size.
  const data = { address: 0n, byteLength: Number.MAX_SAFE_INTEGER };
  checkTensor('DeviceTensor', 'the tensor', { data, shape, dtype } as NativeTensor | IntegerTensor);
  return size;
}

/** The bytes of these values in a dtype. */
function storedValues(values: TensorValues, dtype: ElementType): Uint8Array {
  const stored = dtype === 'i32' ? wholeNumbers(values) : encoded(values, dtype);
  const { buffer, byteOffset, byteLength } = stored;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function encoded(values: TensorValues, dtype: Dtype): Stored {
  if (arrayType(values) === 'Uint16Array') {
    if (dtype === 'f16' || dtype === 'bf16') return values as Uint16Array;
    throw new PolycomError('INVALID_ARGUMENT', `got a Uint16Array; expected numbers for ${dtype}`, {
      remedy: 'a Uint16Array holds the bits of f16 and bf16; make numbers of it with Float32Array.from',
    });
  }
  const floats = arrayType(values) === 'Float32Array' ? (values as Float32Array) : floatsOf(values);
  return encodedAs(floats, dtype);
}

function wholeNumbers(values: TensorValues): Int32Array {
  if (arrayType(values) === 'Int32Array') return values as Int32Array;
  const whole = Int32Array.from(values);
  const wrong = whole.findIndex((value, i) => value !== values[i]);
  if (wrong < 0) return whole;
  throw new PolycomError('INVALID_ARGUMENT', `value ${wrong} is ${values[wrong]}; expected a whole number`, {
    remedy: 'i32 holds whole numbers from -2147483648 to 2147483647',
  });
}

function floatsOf(values: ArrayLike<number>): Float32Array {
  try {
    return Float32Array.from(values);
  } catch (cause) {
    throw new PolycomError('INVALID_ARGUMENT', 'the values are no numbers', { cause });
  }
}
