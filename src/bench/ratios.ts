import { round } from './statistics.js';
import type { Row } from './types.js';

/** The stock op against whose time `vs_stock` is. */
export const STOCK_ANCHOR = 'relu';

/**
 * Adds each row's ratios, all within this run: against the fastest copy of its shape, its own composition, and tf.relu
 * in the same pass. A row that failed neither has ratios nor gives any.
 *
 * @param rows rows that were timed together
 * @param cacheBytes the last cache's size: tensors that fit it are not measured against a copy
 */
export function relate(rows: readonly Row[], cacheBytes: number): Row[] {
  const right = rows.filter(({ ok }) => ok);
  const copy = fastest(right.filter(({ variant }) => variant === 'copy'));
  return rows
    .filter((row) => row.variant !== 'copy' || row === copy || !row.ok)
    .map((row) => {
      if (!row.ok || row.variant === 'copy') return row;
      const peer = (op: string, variant: Row['variant']): Row | undefined =>
        right.find((other) => other.op === op && other.variant === variant && other.pass === row.pass);
      return {
        ...row,
        ...(copy !== undefined && exceeds(row, cacheBytes)
          ? { of_copy: round(row.gb_per_s! / copy.gb_per_s!) }
          : {}),
        ...(row.variant === 'fused' ? ratio('vs_reference', peer(row.op, 'reference'), row) : {}),
        ...(row.variant === 'stock' ? {} : ratio('vs_stock', peer(STOCK_ANCHOR, 'stock'), row)),
      };
    });
}

function ratio(name: 'vs_reference' | 'vs_stock', against: Row | undefined, row: Row): Partial<Row> {
  return against === undefined ? {} : { [name]: round(against.ms_p50! / row.ms_p50!) };
}

function fastest(rows: readonly Row[]): Row | undefined {
  return [...rows].sort((a, b) => a.ms_p50! - b.ms_p50!)[0];
}

function exceeds(row: Row, cacheBytes: number): boolean {
  return row.gb_per_s! * row.ms_p50! * 1e6 > cacheBytes;
}
