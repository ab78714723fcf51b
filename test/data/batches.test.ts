import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Batches, windowsInOrder } from '../../src/data/batches.js';
import { checkRange, type TokenSource } from '../../src/data/shards.js';
import { expectError } from './harness.js';

/** Each token says where it stands. */
function counting(length: number): TokenSource {
  return {
    length,
    vocabulary: length,
    read(start, into) {
      checkRange(this, start, into.length);
      for (let i = 0; i < into.length; ++i) into[i] = start + i;
    },
    close: () => undefined,
  };
}

const shapes = fc.record({
  time: fc.integer({ min: 1, max: 12 }),
  more: fc.integer({ min: 1, max: 200 }),
  batch: fc.integer({ min: 1, max: 7 }),
  seed: fc.integer(),
});

test('an epoch gives every window once, no token twice, and targets are one token later', () => {
  fc.assert(
    fc.property(shapes, ({ time, more, batch, seed }) => {
      const length = time + more;
      const batches = new Batches(counting(length), { batch: 1, time, seed });
      for (const epoch of [0, 1]) {
        const starts: number[] = [];
        while (batches.state.epoch === epoch) {
          const { inputs, targets } = batches.next();
          expect([...inputs]).toEqual(Array.from({ length: time }, (_, i) => inputs[0]! + i));
          expect([...targets]).toEqual(Array.from(inputs, (token) => token + 1));
          starts.push(inputs[0]!);
        }
        starts.sort((a, b) => a - b);
        const [first] = starts;
        expect(starts).toEqual(Array.from(starts, (_, i) => first! + i * time));
        expect(first).toBeLessThan(time);
        expect(length - 1 - (starts.at(-1)! + time)).toBeLessThan(time);
      }
      const wide = new Batches(counting(length), { batch, time, seed });
      const narrow = new Batches(counting(length), { batch: 1, time, seed });
      for (let i = 0; i < 10; ++i) {
        const rows = Array.from({ length: batch }, () => [...narrow.next().inputs]).flat();
        expect([...wide.next().inputs]).toEqual(rows);
      }
    }),
    { numRuns: 50 },
  );
});

test('from a state the same batches follow, across epochs', () => {
  fc.assert(
    fc.property(shapes, fc.nat({ max: 60 }), ({ time, more, batch, seed }, steps) => {
      const options = { batch, time, seed };
      const one = new Batches(counting(time + more), options);
      for (let i = 0; i < steps; ++i) one.next();
      const state = JSON.parse(JSON.stringify(one.state)) as typeof one.state;
      const other = new Batches(counting(time + more), options);
      other.restore(state);
      for (let i = 0; i < 20; ++i) expect(other.next()).toEqual(one.next());
      expect(other.state).toEqual(one.state);
    }),
    { numRuns: 50 },
  );
});

test('epochs and seeds have orders of their own', () => {
  const epochs = [0, 1].map((seed) => {
    const batches = new Batches(counting(1001), { batch: 100, time: 10, seed });
    return [batches.next(), batches.next()].map(({ inputs }) => [...inputs.filter((_, i) => i % 10 === 0)]);
  });
  const orders = epochs.flat().map((starts) => starts.map((start) => Math.floor(start / 10)).join());
  expect(new Set(orders).size).toBe(4);
  const offsets = new Set<number>();
  const batches = new Batches(counting(1001), { batch: 1, time: 10 });
  for (const epoch of Array(30).keys()) {
    batches.restore({ epoch, window: 0 });
    offsets.add(batches.next().inputs[0]! % 10);
  }
  expect(offsets.size).toBeGreaterThan(6);
});

test('data far larger than memory has batches at once', () => {
  const batches = new Batches(counting(2 ** 50), { batch: 4, time: 1024 });
  batches.restore({ epoch: 3, window: 2 ** 39 });
  const { inputs } = new Batches(counting(2 ** 30), { batch: 4, time: 1024 }).next();
  expect(inputs).toHaveLength(4096);
  expect(batches.state).toEqual({ epoch: 3, window: 2 ** 39 });
});

test('an evaluation sees every window in order, or some evenly spread', () => {
  const source = counting(101);
  const all = [...windowsInOrder(source, { batch: 4, time: 10 })];
  expect(all.map(({ rows }) => rows)).toEqual([4, 4, 2]);
  expect(all.flatMap(({ inputs }) => [...inputs])).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(all.flatMap(({ targets }) => [...targets])).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  const some = [...windowsInOrder(source, { batch: 4, time: 10, limit: 5 })];
  expect(some.flatMap(({ inputs }) => [...inputs.filter((_, i) => i % 10 === 0)])).toEqual([
    0, 20, 40, 60, 80,
  ]);
});

test('what has no window is refused', async () => {
  for (const length of [0, 1, 8]) {
    await expectError(
      () => new Batches(counting(length), { batch: 1, time: 8 }),
      /expected at least 9, for one window\n {2}remedy/,
    );
    await expectError(() => [...windowsInOrder(counting(length), { batch: 1, time: 8 })], /at least 9/);
  }
  expect(new Batches(counting(9), { batch: 1, time: 8 }).next().targets.at(-1)).toBe(8);
  for (const bad of [0, -1, 1.5, Number.NaN]) {
    await expectError(() => new Batches(counting(9), { batch: bad, time: 8 }), /batch .*; expected a whole/);
    await expectError(() => new Batches(counting(9), { batch: 1, time: bad }), /time .*; expected a whole/);
  }
  await expectError(
    () => new Batches(counting(9), { batch: 1, time: 8, seed: 0.5 }),
    /seed is 0.5; expected a whole number/,
  );
});

test('a position that is none is refused, and changes nothing but the window', async () => {
  const batches = new Batches(counting(101), { batch: 1, time: 10 });
  for (const [epoch, window] of [
    [0, 10],
    [-1, 0],
    [0, -1],
    [0.5, 0],
    [0, Number.NaN],
  ] as const) {
    await expectError(() => batches.restore({ epoch, window }), /no window .* of epoch/);
    expect(batches.state).toEqual({ epoch: 0, window: 0 });
  }
});
