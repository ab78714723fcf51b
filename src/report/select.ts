import { isPeer, isYardstick } from '../bench/document.js';
import { shapeName } from '../bench/shapes.js';
import type { BenchDocument, BenchPass, OwnVariant, Row, Shape } from '../bench/types.js';

/** The rows that were right, and so timed. */
export type TimedRow = Row & Required<Pick<Row, 'ms_p20' | 'ms_p50' | 'ms_p80' | 'gb_per_s'>>;

/** Narrows to the rows that were timed. */
export function isTimed(row: Row): row is TimedRow {
  return row.ok;
}

/** Rows that have a share of the copy's rate: kernels driven directly, on tensors larger than the cache. */
export function copyRows({ results }: BenchDocument): (TimedRow & { of_copy: number })[] {
  return results.filter(
    (row): row is TimedRow & { of_copy: number } =>
      isTimed(row) && row.backend === 'native' && row.variant === 'fused' && row.of_copy !== undefined,
  );
}

/** A row of one of this package's own comparisons. */
export type OwnRow = TimedRow & { readonly variant: OwnVariant };

/** What ran inside tfjs-node with the reusing allocator. */
export function hostRows({ results }: BenchDocument): OwnRow[] {
  const inHost = results.filter(isTimed).filter(({ backend }) => backend === 'tensorflow');
  const own = inHost[0]?.allocator;
  return inHost.filter(
    (row): row is OwnRow => !isPeer(row.variant) && !isYardstick(row.variant) && row.allocator === own,
  );
}

/** A fused op and what other libraries took for the same, in one run. */
export interface PeerGroup {
  readonly own: TimedRow;
  /** At least one. */
  readonly peers: readonly TimedRow[];
  /** How many times as fast as the fastest of them ours is: below 1 is slower. */
  readonly speed: number;
}

/** The fused rows that peers stand beside, with those. */
export function peerGroups({ results }: BenchDocument): PeerGroup[] {
  const timed = results.filter(isTimed);
  const others = timed.filter(({ variant }) => isPeer(variant));
  return timed.flatMap((own) => {
    if (own.variant !== 'fused' || own.backend !== 'native') return [];
    const peers = others.filter((peer) => sameTask(peer, own));
    if (peers.length === 0) return [];
    return [{ own, peers, speed: Math.min(...peers.map(({ ms_p50 }) => ms_p50)) / own.ms_p50 }];
  });
}

function sameTask(a: Row, b: Row): boolean {
  const task = ({ op, pass, rows, cols, dtype, device }: Row) => [op, pass, rows, cols, dtype, device].join();
  return task(a) === task(b);
}

/** What ran inside tfjs-node at the shapes that were measured with several allocators. */
export function allocatorRows({ results }: BenchDocument, pass: BenchPass): TimedRow[] {
  const rows = results
    .filter(isTimed)
    .filter((row) => row.backend === 'tensorflow' && !isYardstick(row.variant) && row.pass === pass);
  const allocatorsAt = (shape: Shape) => new Set(atShape(rows, shape).map(({ allocator }) => allocator)).size;
  const shape = extreme(
    rows.filter((row) => allocatorsAt(row) > 1),
    'largest',
  );
  return shape === undefined ? [] : atShape(rows, shape);
}

/** A document as one for each device that it has rows of, in its order: figures are of one device. */
export function byDevice(document: BenchDocument): BenchDocument[] {
  const devices = [...new Set(document.results.map(({ device }) => device))];
  return devices.map((device) => ({
    ...document,
    results: document.results.filter((row) => row.device === device),
  }));
}

/** The rows of one shape. */
export function atShape<R extends Row>(rows: readonly R[], shape: Shape): R[] {
  return rows.filter((row) => shapeName(row) === shapeName(shape));
}

/** The shape with the most, or the fewest, elements. */
export function extreme(rows: readonly Row[], which: 'largest' | 'smallest'): Shape | undefined {
  const sign = which === 'largest' ? 1 : -1;
  return [...rows].sort((a, b) => sign * (b.rows * b.cols - a.rows * a.cols))[0];
}

/** The passes that rows have, in their order. */
export function measuredPasses(rows: readonly Row[]): BenchPass[] {
  return [...new Set(rows.map(({ pass }) => pass))];
}
