import { describe, expect, test } from 'vitest';
import { relate } from '../../src/bench/ratios.js';
import type { Row } from '../../src/bench/types.js';
import { failedRow, row } from './rows.js';

const copy = (of: Partial<Row>) => row({ op: 'copy', label: 'copy', pass: 'copy', variant: 'copy', ...of });
const relu = (of: Partial<Row> = {}) => row({ op: 'relu', variant: 'stock', ms_p50: 5, ...of });

describe('relate', () => {
  test('divides by the fastest copy, the own composition, and tf.relu, of the same pass', () => {
    const rows = [
      row({ ms_p50: 10, gb_per_s: 27 }),
      row({ variant: 'reference', ms_p50: 112, gb_per_s: 2.4 }),
      row({ op: 'other', variant: 'reference', ms_p50: 1 }),
      row({ variant: 'reference', pass: 'backward', ms_p50: 1 }),
      relu(),
      relu({ pass: 'backward', ms_p50: 1 }),
      copy({ method: 'slow', ms_p50: 12, gb_per_s: 22.5 }),
      copy({ method: 'fast', ms_p50: 9, gb_per_s: 30 }),
    ];
    const related = relate(rows, 1);
    expect(related[0]).toMatchObject({ of_copy: 0.9, vs_reference: 11.2, vs_stock: 0.5 });
    expect(related[1]).toMatchObject({ of_copy: 0.08, vs_stock: 0.04464 });
    expect(related[1]).not.toHaveProperty('vs_reference');
    expect(related[4]).not.toHaveProperty('vs_stock');
    expect(related.filter(({ variant }) => variant === 'copy')).toEqual([rows[7]]);
  });

  test('divides by the fastest stream with the same reads and writes, and by two for two passes', () => {
    const stream = (traffic: string, ms_p50: number, method = 'ordinary stores') =>
      row({ op: `stream ${traffic}`, pass: 'stream', variant: 'stream', traffic, method, ms_p50 });
    const rows = [
      row({ traffic: '1:1', ms_p50: 10 }),
      row({ traffic: '2:1', ms_p50: 20, pass: 'backward' }),
      row({ traffic: '1:1 + 2:1', ms_p50: 30, pass: 'forward_backward' }),
      row({ traffic: '3:2', ms_p50: 30 }),
      copy({ traffic: '1:1', ms_p50: 8 }),
      stream('1:1', 9),
      stream('2:1', 14),
      stream('2:1', 13, 'streaming stores'),
    ];
    const related = relate(rows, 1);
    expect(related.map(({ of_stream }) => of_stream)).toEqual([
      0.8,
      0.65,
      0.7,
      ...new Array(4).fill(undefined),
    ]);
    expect(related.slice(4)).toEqual([rows[4], rows[5], rows[7]]);
    expect(relate(rows, 1e12)[0]).not.toHaveProperty('of_stream');
  });

  test('divides by the rate from the first-level caches, where there is one', () => {
    const [known, unknown] = relate([row({ gb_per_s: 20, l1_gb_per_s: 40 }), row({ gb_per_s: 20 })], 1);
    expect(known).toHaveProperty('of_l1', 0.5);
    expect(unknown).not.toHaveProperty('of_l1');
    expect(relate([row({ gb_per_s: 20, l1_gb_per_s: 40 })], 1e12)[0]).not.toHaveProperty('of_l1');
  });

  test('says nothing of the copy for tensors that fit the cache', () => {
    const [small] = relate([row({ ms_p50: 1, gb_per_s: 10 }), copy({ ms_p50: 1, gb_per_s: 10 })], 10e6);
    expect(small).not.toHaveProperty('of_copy');
    const [large] = relate([row({ ms_p50: 1.1, gb_per_s: 10 }), copy({ ms_p50: 1, gb_per_s: 10 })], 10e6);
    expect(large).toHaveProperty('of_copy', 1);
  });

  test('a failed row has no ratios and gives none', () => {
    const rows = [row(), failedRow({ variant: 'reference' }), failedRow({ op: 'relu', variant: 'stock' })];
    expect(relate(rows, 1)).toEqual(rows);
    const wrongCopy = failedRow({ op: 'copy', variant: 'copy', pass: 'copy' });
    expect(relate([row(), wrongCopy], 1)).toEqual([row(), wrongCopy]);
  });
});
