import { activationRows } from '../activations/table.js';
import type { NativeLibrary } from '../native/library.js';
import type { Dtype } from '../native/types.js';
import { BenchData } from './data.js';
import { hostContender, OutputBuffers } from './native.js';
import { percentile, round } from './statistics.js';
import type { Row, RowIdentity } from './types.js';
import { opWorks } from './work.js';

/** Elements of two calls: the five tensors of the longer, in f32, fit the smallest first-level cache, 32 KB. */
const SHORT = 256;
const LONG = 1536;
const CALLS = 400;
const SAMPLES = 25;

/** How fast an op's pass is in the caches, for its row. */
export type CachedRate = (identity: RowIdentity) => Partial<Row>;

/**
 * The rates of the element-wise kernels with all tensors in the first-level cache of the core: the roof of those that
 * are bound by arithmetic. What a call costs by itself is left out, by the difference of a long and a short one.
 *
 * @param threads what a core's rate is multiplied by
 */
export function cachedRates(native: NativeLibrary, dtype: Dtype, threads: number): CachedRate {
  const rates = new Map<string, number | undefined>();
  return ({ op, pass }) => {
    const key = `${op} ${pass}`;
    if (!rates.has(key)) rates.set(key, rateOf(native, op, pass, dtype));
    const rate = rates.get(key);
    return rate === undefined ? {} : { l1_gb_per_s: round(rate * threads) };
  };
}

function rateOf(
  native: NativeLibrary,
  name: string,
  pass: RowIdentity['pass'],
  dtype: Dtype,
): number | undefined {
  // What a row has in common keeps its elements from being taken by themselves.
  const ops = activationRows.filter((op) => op.name === name && !('epsilon' in op.scalars));
  const queue = native.createQueue({ threads: 1 });
  try {
    const [short, long] = [SHORT, LONG].map((cols) => {
      const work = opWorks(ops, new BenchData({ rows: 1, cols }, dtype), 'cpu').find(
        ({ identity }) => identity.pass === pass,
      );
      if (work === undefined) return undefined;
      const contender = hostContender(queue, work, new OutputBuffers());
      return contender.check() === undefined ? { contender, bytes: work.bytes } : undefined;
    });
    if (short === undefined || long === undefined) return undefined;
    const differences = Array.from({ length: SAMPLES }, () => time(long.contender) - time(short.contender));
    const ms = percentile(differences, 0.5) / CALLS;
    return ms > 0 ? (long.bytes - short.bytes) / ms / 1e6 : undefined;
  } finally {
    queue.dispose();
  }
}

function time({ run }: { run(): void }): number {
  const began = performance.now();
  for (let i = 0; i < CALLS; ++i) run();
  return performance.now() - began;
}
