import { PolycomError } from '../common/errors.js';
import type { DeviceBuffer } from './addon.js';
import type { Queue } from './queue.js';

/**
 * A GPU's memory is many times what V8 thinks its heap may reach: it is told a share, so that dropped tensors are
 * collected without a collection every few allocations.
 */
const CUDA_SHARE = 1 / 16;

/** Memory on a queue's device, for native code to read and write. */
export class DeviceMemory {
  readonly queue: Queue;
  /** 0 once disposed, as is `byteLength`. */
  address: bigint;
  byteLength: number;
  #buffer: DeviceBuffer | undefined;

  private constructor(queue: Queue, buffer: DeviceBuffer, bytes: number) {
    this.queue = queue;
    this.address = buffer.address;
    this.byteLength = bytes;
    this.#buffer = buffer;
  }

  /**
   * Memory that may hold anything.
   *
   * @throws {PolycomError} `OUT_OF_MEMORY`, naming the bytes in use; `LIBRARY_NOT_FOUND` without the addon
   */
  static allocate(queue: Queue, bytes: number): DeviceMemory {
    const { native, device } = queue;
    const accounted = device === 'cuda' ? Math.ceil(bytes * CUDA_SHARE) : bytes;
    const made = native.addon.allocate(queue.address, bytes, accounted);
    if (typeof made !== 'number') return new DeviceMemory(queue, made, bytes);
    native.check(made);
    throw new PolycomError('INTERNAL', `the addon gave status ${made} for memory`);
  }

  get disposed(): boolean {
    return this.#buffer === undefined;
  }

  /** Frees the memory once the work that was queued before is done. Doing it again does nothing. */
  dispose(): void {
    const status = this.#buffer?.dispose() ?? 0;
    this.#buffer = undefined;
    this.address = 0n;
    this.byteLength = 0;
    this.queue.native.check(status);
  }
}

const pinned = new WeakSet<ArrayBufferLike>();

/**
 * Page-locked host memory (on the CPU: ordinary memory), which a GPU copies from and to without staging and which
 * kernels may be handed. It is freed some time after its last use has been collected.
 *
 * @throws {PolycomError} `OUT_OF_MEMORY`; `LIBRARY_NOT_FOUND` without the addon
 */
export function allocatePinned(queue: Queue, bytes: number): ArrayBuffer {
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new PolycomError('INVALID_ARGUMENT', `${bytes} bytes; expected a whole number`);
  }
  const made = queue.native.addon.allocateHost(queue.address, bytes);
  if (typeof made === 'number') {
    queue.native.check(made);
    throw new PolycomError('INTERNAL', `the addon gave status ${made} for host memory`);
  }
  pinned.add(made);
  return made;
}

/** Whether {@link allocatePinned} made this. */
export function isPinned(buffer: ArrayBufferLike): boolean {
  return pinned.has(buffer);
}

type Place = DeviceMemory | ArrayBufferView;
type CopyFunction = (queue: bigint, to: Argument, from: Argument, bytes: bigint) => number;
type Argument = bigint | ArrayBufferView;

/**
 * Copies all of `from`, in the queue's order, to memory that is as large. Host memory must stay as it is until that is
 * done.
 */
export function copyMemory(queue: Queue, to: Place, from: Place): void {
  const copy = queue.native.function<CopyFunction>('pc_memory_copy', 'int32_t', [
    'void *',
    'void *',
    'void *',
    'int64_t',
  ]);
  const argument = (place: Place): Argument => (ArrayBuffer.isView(place) ? place : place.address);
  queue.native.check(copy(queue.address, argument(to), argument(from), BigInt(from.byteLength)));
}

/** The most host memory that a queue keeps page-locked between transfers, in bytes. */
const SPARE_BYTES = 64 << 20;
const spare = new WeakMap<Queue, ArrayBuffer>();

/** Lets go of what {@link download} keeps for the next time. */
export function dropStaging(queue: Queue): void {
  spare.delete(queue);
}

/** What device memory holds once the work queued before is done. Nothing waits but the promise. */
export async function download(memory: DeviceMemory): Promise<ArrayBuffer> {
  const { queue, byteLength } = memory;
  const kept = spare.get(queue);
  spare.delete(queue); // two transfers at a time need two
  const staging =
    kept !== undefined && kept.byteLength >= byteLength ? kept : allocatePinned(queue, byteLength);
  copyMemory(queue, new Uint8Array(staging), memory);
  await queue.done();
  const result = staging.slice(0, byteLength);
  if (staging.byteLength <= SPARE_BYTES) spare.set(queue, staging);
  return result;
}
