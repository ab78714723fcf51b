import type { PlannedRun, Rate, RunResult } from '../types.js';
import { idOf } from './specs.js';

/** The best rate of some data and activation, and the sweep that says so. */
export interface Sweep extends Rate {
  readonly from: 'swept';
  /** The mean held-out loss of each rate, from low to high; infinite where a run diverged. */
  readonly losses: readonly { readonly rate: number; readonly loss: number }[];
}

/**
 * The learning rate of the lowest mean held-out loss, for each data and activation of a sweep whose runs are finished.
 *
 * @param runs the sweep's; a rate of which a run has no result counts as not tried
 */
export function bestRates(runs: readonly PlannedRun[], results: ReadonlyMap<string, RunResult>): Sweep[] {
  const groups = new Map<string, PlannedRun[]>();
  for (const run of runs) {
    const key = JSON.stringify([run.labels.data, run.labels.activation]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].flatMap((group) => best(group, results) ?? []);
}

function best(group: readonly PlannedRun[], results: ReadonlyMap<string, RunResult>): Sweep | undefined {
  const rates = [...new Set(group.map(({ labels }) => labels.rate!))].sort((a, b) => a - b);
  const losses = rates.flatMap((rate) => {
    const found = group
      .filter(({ labels }) => labels.rate === rate)
      .map(({ spec }) => results.get(idOf(spec)));
    if (found.includes(undefined)) return [];
    const sum = found.reduce((total, result) => total + (result!.final?.loss ?? Number.POSITIVE_INFINITY), 0);
    return [{ rate, loss: sum / found.length }];
  });
  const lowest = losses.reduce((least, { loss }) => Math.min(least, loss), Number.POSITIVE_INFINITY);
  const at = losses.findIndex(({ loss }) => loss === lowest);
  if (at < 0 || lowest === Number.POSITIVE_INFINITY) return undefined;
  const { data, activation } = group[0]!.labels;
  const border = at === 0 || at === losses.length - 1;
  return { data, activation, rate: losses[at]!.rate, from: 'swept', border, losses };
}

/** Where the best rate lies at the border of its sweep: the rate beyond it, the same factor away. */
export function beyondBorder({ border, rate, losses }: Sweep): number | undefined {
  if (!border || losses.length < 2) return undefined;
  const factor = losses[1]!.rate / losses[0]!.rate;
  const beyond = rate === losses[0]!.rate ? rate / factor : rate * factor;
  return Number(beyond.toPrecision(6));
}

/**
 * The rate of an activation on some data: its best one; that on other data of the kind, or on any; or the default.
 *
 * @param data its name
 */
export function rateOf(rates: readonly Rate[], data: string, activation: string, fallback: number): Rate {
  const own = rates.filter((rate) => rate.activation === activation);
  const family = (name: string): boolean => name.startsWith('synthetic');
  const found =
    own.find((rate) => rate.data === data) ??
    own.find((rate) => family(rate.data) === family(data)) ??
    own[0];
  return found ?? { data, activation, rate: fallback, from: 'default', border: false };
}
