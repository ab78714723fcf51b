import type { Queue } from './queue.js';

/**
 * The typed arrays that work on a GPU's queue reads or writes in place, kept from V8's collection until that work is
 * done: a launch returns before.
 */
export class HeldMemory {
  readonly #queue: Pick<Queue, 'done'>;
  /** An entry for each call. */
  readonly #held = new Set<{ readonly arrays: readonly ArrayBufferView[] }>();
  #watching = false;

  constructor(queue: Pick<Queue, 'done'>) {
    this.#queue = queue;
  }

  /** How many calls hold memory. */
  get size(): number {
    return this.#held.size;
  }

  /** Holds the arrays of a call that has been queued. */
  hold(arrays: readonly ArrayBufferView[]): void {
    this.#held.add({ arrays });
    if (!this.#watching) void this.#watch();
  }

  /** Lets go of all: the queue has no work. */
  release(): void {
    this.#held.clear();
  }

  async #watch(): Promise<void> {
    this.#watching = true;
    try {
      while (this.#held.size > 0) {
        const before = [...this.#held];
        await this.#queue.done();
        for (const call of before) this.#held.delete(call);
      }
    } catch {
      // A failure is told to who waits for the queue. What is held is let go of then.
    }
    this.#watching = false;
  }
}
