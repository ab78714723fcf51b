import type { Timing } from './types.js';

/** The value below which a share `q` of the samples lies, interpolated between neighbours. */
export function percentile(samples: readonly number[], q: number): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = [...samples].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const lower = sorted[below]!;
  const upper = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return lower + (upper - lower) * (at - below);
}

/** The median of milliseconds, with its p20 and p80. */
export function summarise(milliseconds: readonly number[]): Timing {
  const [ms_p20, ms_p50, ms_p80] = [0.2, 0.5, 0.8].map((q) => round(percentile(milliseconds, q)));
  return { ms_p20: ms_p20!, ms_p50: ms_p50!, ms_p80: ms_p80! };
}

/** Four significant digits: more than a timing has. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}
