import { passesOfTraffic } from './check.js';
import { isYardstick } from './document.js';
import { round } from './statistics.js';
import type { Row } from './types.js';

/** The stock op against whose time `vs_stock` is. */
export const STOCK_ANCHOR = 'relu';

/**
 * Adds each row's ratios, all within this run: against the fastest copy of its shape, the fastest stream with its reads
 * and writes, its own rate from the first-level caches, its own composition, and tf.relu in the same pass. A row that failed neither has ratios nor gives any.
 *
 * @param rows rows that were timed together
 * @param cacheBytes the last cache's size: tensors that fit it are not measured against a copy or a stream
 */
export function relate(rows: readonly Row[], cacheBytes: number): Row[] {
  const right = rows.filter(({ ok }) => ok);
  const yardsticks = right.filter(({ variant }) => isYardstick(variant));
  const kept = fastestBy(yardsticks, ({ op }) => op);
  const copy = kept.get('copy');
  const streams = fastestBy(yardsticks, ({ traffic }) => traffic);
  return rows
    .filter((row) => !isYardstick(row.variant) || kept.get(row.op) === row || !row.ok)
    .map((row) => {
      if (!row.ok || isYardstick(row.variant)) return row;
      const peer = (op: string, variant: Row['variant']): Row | undefined =>
        right.find((other) => other.op === op && other.variant === variant && other.pass === row.pass);
      return {
        ...row,
        ...(exceeds(row, cacheBytes) ? roofs(row, copy, streams) : {}),
        ...(row.variant === 'fused' ? ratio('vs_reference', peer(row.op, 'reference'), row) : {}),
        ...(row.variant === 'stock' ? {} : ratio('vs_stock', peer(STOCK_ANCHOR, 'stock'), row)),
      };
    });
}

/** The fastest of the yardsticks, by op; or by traffic, where a copy is a stream of 1:1 too. */
function fastestBy(rows: readonly Row[], keyOf: (row: Row) => string | undefined): Map<string, Row> {
  const found = new Map<string, Row>();
  for (const row of rows) {
    const key = keyOf(row);
    if (key === undefined) continue;
    const before = found.get(key);
    if (before === undefined || row.ms_p50! < before.ms_p50!) found.set(key, row);
  }
  return found;
}

function roofs(row: Row, copy: Row | undefined, streams: ReadonlyMap<string, Row>): Partial<Row> {
  const passes = passesOfTraffic(row.traffic).map((traffic) => streams.get(traffic)?.ms_p50);
  const least = passes.reduce<number>((sum, ms) => sum + (ms ?? Number.NaN), 0);
  return {
    ...(copy === undefined ? {} : { of_copy: round(row.gb_per_s! / copy.gb_per_s!) }),
    ...(least > 0 ? { of_stream: round(least / row.ms_p50!) } : {}),
    ...(row.l1_gb_per_s === undefined ? {} : { of_l1: round(row.gb_per_s! / row.l1_gb_per_s) }),
  };
}

function ratio(name: 'vs_reference' | 'vs_stock', against: Row | undefined, row: Row): Partial<Row> {
  return against === undefined ? {} : { [name]: round(against.ms_p50! / row.ms_p50!) };
}

function exceeds(row: Row, cacheBytes: number): boolean {
  return row.gb_per_s! * row.ms_p50! * 1e6 > cacheBytes;
}
