import type { Downstream } from '../measure/downstream.js';
import type { Dynamics } from '../measure/dynamics.js';
import type { CompareDocument, DocumentRun, ExperimentName, RunLabels, RunResult } from '../types.js';
import type { SeedCurve } from './curves.js';
import type { SeedValue } from './statistics.js';

/** Runs that differ in their seed alone. */
export interface Group {
  readonly label: string;
  readonly activation: string;
  readonly data: string;
  /** What is varied, in the ablations. */
  readonly group?: string;
  readonly size?: string;
  readonly rate?: number;
  /** Those that came to their end. */
  readonly runs: readonly DocumentRun[];
  /** How many did not: a loss or a gradient was not finite. */
  readonly diverged: number;
}

/** The groups of an experiment, in its order; none where it was not made. */
export function groupsOf(document: CompareDocument, name: ExperimentName): Group[] {
  const byId = new Map(document.runs.map((run) => [run.id, run]));
  const groups = new Map<string, { labels: RunLabels; all: DocumentRun[] }>();
  for (const { id, labels } of document.experiments.find((one) => one.name === name)?.runs ?? []) {
    const { data, group, size, rate, label } = labels;
    const key = JSON.stringify([data, group, size, rate, label]);
    const found = groups.get(key) ?? { labels, all: [] };
    found.all.push(byId.get(id)!);
    groups.set(key, found);
  }
  return Array.from(groups.values(), ({ labels: { seed: _, ...labels }, all }) => {
    const runs = all.filter(({ result }) => result.final !== undefined);
    return { ...labels, runs, diverged: all.length - runs.length };
  });
}

/** The names of the data that groups are on, in their order. */
export function dataOf(groups: readonly Group[]): string[] {
  return [...new Set(groups.map(({ data }) => data))];
}

/** A figure of each run that has it, by seed. */
export function valuesOf({ runs }: Group, of: (result: RunResult) => number | undefined): SeedValue[] {
  return runs.flatMap(({ spec, result }) => {
    const value = of(result);
    return value === undefined || !Number.isFinite(value) ? [] : [{ seed: spec.settings.seed, value }];
  });
}

/** Final held-out losses. */
export function lossesOf(group: Group): SeedValue[] {
  return valuesOf(group, ({ final }) => final?.loss);
}

/** The held-out curves over tokens; points that are not finite are left out. */
export function curvesOf({ runs }: Group): SeedCurve[] {
  const curves = runs.map(({ spec, result: { heldOut } }) => {
    const points = heldOut.tokens.map((x, i) => ({ x, y: heldOut.loss[i]! }));
    return { seed: spec.settings.seed, points: points.filter(({ y }) => Number.isFinite(y)) };
  });
  return curves.filter(({ points }) => points.length >= 3);
}

/** Seconds of training by tokens, the mean over seeds. */
export function secondsOf({ runs }: Group): ReadonlyMap<number, number> {
  const { tokens } = runs[0]!.result.heldOut;
  const mean = (i: number): number =>
    runs.reduce((sum, { result }) => sum + result.heldOut.seconds[i]!, 0) / runs.length;
  return new Map(tokens.map((count, i) => [count, mean(i)]));
}

/** What the probe of downstream tasks found. */
export function downstreamOf({ probes }: RunResult): Downstream | undefined {
  return probes.downstream as Downstream | undefined;
}

/** What the probe of dynamics found. */
export function dynamicsOf({ probes }: RunResult): Dynamics | undefined {
  return probes.dynamics as Dynamics | undefined;
}
