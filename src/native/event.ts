import type { KoffiFunc } from 'koffi';
import type { Queue } from './queue.js';

type Function = KoffiFunc<(...args: unknown[]) => number>;

/**
 * A mark in a queue's work, which takes the time once that work is done: by the device's clock on CUDA, by the host's
 * on the CPU. Dispose it after its last use.
 */
export class DeviceEvent implements Disposable {
  readonly queue: Queue;
  #address: bigint;

  /** @throws {PolycomError} `UNSUPPORTED` where the library is older than its events */
  constructor(queue: Queue) {
    this.queue = queue;
    const made = new BigUint64Array(1);
    this.#check('pc_event_create', ['void *', 'void *'], queue.address, made);
    this.#address = made[0]!;
  }

  /** Puts the event behind the work that was queued so far. */
  record(): void {
    this.#check('pc_event_record', ['void *'], this.#address);
  }

  /**
   * Milliseconds from another event of this device to this one.
   *
   * @throws {PolycomError} `INVALID_ARGUMENT` where one was not recorded, or the work has not come to it yet
   */
  since(earlier: DeviceEvent): number {
    const milliseconds = new Float64Array(1);
    const types = ['void *', 'void *', 'void *'];
    this.#check('pc_event_elapsed', types, earlier.#address, this.#address, milliseconds);
    return milliseconds[0]!;
  }

  /** Doing it again does nothing. */
  dispose(): void {
    this.#check('pc_event_destroy', ['void *'], this.#address);
    this.#address = 0n;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(name: string, parameters: string[], ...values: unknown[]): void {
    const { native } = this.queue;
    native.check(native.function<Function>(name, 'int32_t', parameters)(...values));
  }
}
