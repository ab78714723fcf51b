import { expect, test } from 'vitest';
import { choices, GRID_COLS, residentBlocks } from '../../tools/occupancy.js';
import { native } from '../native/harness.js';

test.each([
  // architecture, registers, shared bytes, threads: blocks, by what runs out
  ['90', 32, 0, 256, 8], // threads
  ['90', 32, 0, 32, 32], // blocks
  ['90', 77, 0, 256, 3], // registers, 80 of them
  ['90', 255, 0, 512, 0], // registers: it does not start
  ['90', 32, 64 << 10, 512, 3], // shared memory
  ['89', 32, 0, 256, 6], // threads
  ['120', 32, 60 << 10, 128, 1], // shared memory
])(
  'sm_%s holds as many blocks of %i registers, %i bytes and %i threads as it can',
  (sm, registers, shared, threads, blocks) => {
    expect(residentBlocks(sm, registers, shared, threads)).toBe(blocks);
  },
);

test.skipIf(native === undefined)('every choice of the table keeps enough bytes in flight', () => {
  // Registers as ptxas has given them or more; the record in bench/results has the true ones.
  const kernels = ['__nv_bfloat16', 'float'].flatMap((storage) =>
    [false, true].flatMap((gated) =>
      ['forward', 'backward'].flatMap((pass) => {
        const isFloat = storage === 'float';
        const most = isFloat && !(gated && pass === 'backward') ? 8 : 4;
        const name = (kernel: string, rest = '') =>
          `polynorm_${pass}_${kernel}<3, ${storage}, ${gated}${rest}>`;
        const registers = {
          [name('staged_kernel')]: 96,
          [name('wide_kernel', ', true')]: 96,
          [name('kernel', `, false, ${most}`)]: pass === 'forward' && !isFloat ? 96 : 128,
          [name('kernel', `, true, ${most}`)]: isFloat || (gated && pass === 'backward') ? 160 : 128,
        };
        return Object.entries(registers).map(([kernel, most]) => ({
          kernel,
          sm: '90',
          registers: most,
          shared_bytes: 5000,
          stack_bytes: 0,
        }));
      }),
    ),
  );
  const found = choices(native!, kernels);
  expect(found).toHaveLength(4 * 2 * GRID_COLS.length);
  for (const { pass, dtype, cols, blocks, bytes_in_flight } of found) {
    const where = `${pass} ${dtype} ${cols}`;
    expect(blocks, where).toBeGreaterThan(0);
    // 4.8 TB/s for 0.7 microseconds on 132 multiprocessors; rows of 8 columns have too few for that.
    expect(bytes_in_flight, where).toBeGreaterThan(cols > 8 ? 25_000 : 8_000);
  }
});
