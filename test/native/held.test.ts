import { describe, expect, test } from 'vitest';
import { HeldMemory } from '../../src/native/held.js';
import { hosts, inChild } from './device-harness.js';

const array = new Float32Array(1);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A queue whose work ends when the test says so. */
class Work {
  readonly #waiting: { end: () => void; fail: (error: Error) => void }[] = [];
  done(): Promise<void> {
    return new Promise((end, fail) => this.#waiting.push({ end, fail }));
  }
  async end(error?: Error): Promise<void> {
    const { end, fail } = this.#waiting.shift()!;
    if (error === undefined) end();
    else fail(error);
    await turn();
  }
}

test('arrays are held until the work that was queued by then is done', async () => {
  const work = new Work();
  const held = new HeldMemory(work);
  held.hold([array]);
  held.hold([array]);
  await turn();
  held.hold([array]);
  await work.end(); // of the first, or of two: the second came before anything was awaited
  expect(held.size).toBeGreaterThan(0);
  await work.end();
  expect(held.size).toBe(0);
  held.hold([array]);
  expect(held.size).toBe(1);
  await work.end();
  expect(held.size).toBe(0);
});

test('what comes after a synchronisation is held, though an older wait ends', async () => {
  const work = new Work();
  const held = new HeldMemory(work);
  held.hold([array]);
  held.release();
  held.hold([array]);
  await work.end();
  expect(held.size).toBe(1);
  await work.end();
  expect(held.size).toBe(0);
});

test('after a failure all is held until the queue is synchronised', async () => {
  const work = new Work();
  const held = new HeldMemory(work);
  held.hold([array]);
  await work.end(new Error('the device failed'));
  expect(held.size).toBe(1);
  held.release();
  expect(held.size).toBe(0);
});

const cuda = hosts.find(({ device, library }) => device === 'cuda' && library !== undefined);

describe.skipIf(cuda === undefined)('on the emulator', () => {
  test('an array that the caller drops lives until the work is done', () => {
    const script = `
      const weak = (() => {
        const data = new Float32Array(1 << 16);
        queue.call('relu2_forward', { inputs: [{ data, shape: [data.length] }], scalars: [0] });
        return new WeakRef(data);
      })();
      const alive = async () => { await turn(); gc(); await turn(); return weak.deref() !== undefined; };
      say(await alive());
      queue.synchronize();
      say(await alive());
      process.exit();
    `;
    const { status, said } = inChild(cuda!, script, { EMULATED_CALLBACK_MS: '2000' });
    expect({ status, said }).toEqual({ status: 0, said: [true, false] });
  });
});
