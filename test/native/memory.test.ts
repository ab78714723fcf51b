import koffi from 'koffi';
import { afterAll, describe, expect, test } from 'vitest';
import { hosts } from './device-harness.js';

// The C functions as such: what a caller in another language may do to them.
describe.each(hosts)('the C functions for memory on $device', ({ device, library }) => {
  if (library === undefined) return test.skip('needs the library', () => undefined);
  const queue = library.createQueue({ device });
  afterAll(() => queue.dispose());
  const { address } = queue;
  const declare = (name: string, parameters: string[]) =>
    library.function<(...values: unknown[]) => number>(name, 'int32_t', parameters);
  const allocate = declare('pc_memory_allocate', ['void *', 'int64_t', 'void *']);
  const allocateHost = declare('pc_memory_allocate_host', ['void *', 'int64_t', 'void *']);
  const free = declare('pc_memory_free', ['void *']);
  const copy = declare('pc_memory_copy', ['void *', 'void *', 'void *', 'int64_t']);
  const notify = declare('pc_queue_notify', ['void *', 'void *', 'void *']);
  const inUse = declare('pc_memory_in_use', ['int32_t', 'int32_t', 'void *']);
  const [OK, INVALID_ARGUMENT, OUT_OF_MEMORY] = [0, 1, 5];

  const memory = new BigUint64Array(1);

  test.each([
    ['device', allocate],
    ['host', allocateHost],
  ] as const)('give %s memory, aligned, and take it back once', (_, give) => {
    for (const bytes of [1, 63, 64, 65, 1_000_003]) {
      expect(give(address, bytes, memory)).toBe(OK);
      expect(memory[0]! % 64n).toBe(0n);
      const held = memory[0]!;
      expect(free(held)).toBe(OK);
      expect(free(held)).toBe(INVALID_ARGUMENT);
    }
    expect(give(address, 0, memory)).toBe(OK);
    expect(memory[0]).toBe(0n);
    expect(free(0n)).toBe(OK);
  });

  test('refuse what cannot be', () => {
    for (const give of [allocate, allocateHost]) {
      expect(give(0n, 8, memory)).toBe(INVALID_ARGUMENT);
      expect(give(address, 8, null)).toBe(INVALID_ARGUMENT);
      expect(give(address, -1, memory)).toBe(INVALID_ARGUMENT);
      for (const bytes of [2n ** 63n - 1n, 2n ** 62n, 2n ** 52n]) {
        expect(give(address, bytes, memory)).toBe(OUT_OF_MEMORY);
        expect(memory[0]).toBe(0n);
      }
    }
    expect(free(koffi.address(new Float64Array(100)))).toBe(INVALID_ARGUMENT);
    expect(copy(0n, memory, memory, 8)).toBe(INVALID_ARGUMENT);
    expect(copy(address, 0n, memory, 8)).toBe(INVALID_ARGUMENT);
    expect(copy(address, memory, 0n, 8)).toBe(INVALID_ARGUMENT);
    expect(copy(address, memory, memory, -8)).toBe(INVALID_ARGUMENT);
    expect(copy(address, 0n, 0n, 0)).toBe(OK);
    expect(inUse(7, 0, memory)).toBe(INVALID_ARGUMENT);
    expect(inUse(0, 0, null)).toBe(INVALID_ARGUMENT);
    expect(() => library.memoryInUse('tpu' as never)).toThrow(/device -1/);
    expect(notify(0n, address, 0n)).toBe(INVALID_ARGUMENT);
    expect(notify(address, 0n, 0n)).toBe(INVALID_ARGUMENT);
    const reachesHost = declare('pc_queue_reaches_host', ['void *']);
    expect(reachesHost(0n)).toBe(0);
  });

  test('tell of the queue’s work', async () => {
    const prototype = koffi.proto('void (void *context, int32_t status)');
    const told = await new Promise((resolve) => {
      const callback = koffi.register(
        (context: bigint, status: number) => resolve([context, status]),
        koffi.pointer(prototype),
      );
      expect(notify(address, callback, 42n)).toBe(OK);
      if (device === 'cpu') resolve('not at once');
    });
    expect(told).toEqual([42n, OK]);
  });
});
