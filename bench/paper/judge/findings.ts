import type { CompareDocument, ExperimentName, RunResult } from '../types.js';
import { CLAIMS, type ClaimGroup, type ComparedClaim, type Metric } from './claims.js';
import { type SeedCurve, smooth, type TokensToTarget, tokensToTarget } from './curves.js';
import { downstreamOf, dynamicsOf, type Group, groupsOf, valuesOf } from './groups.js';
import { type Compared, type HolmDifference, holmDifferences, type SeedValue } from './statistics.js';

/** The experiment whose runs a claim is tested on. */
const EXPERIMENTS: Readonly<Record<ClaimGroup, ExperimentName>> = {
  dense: 'dense',
  moe: 'moe',
  ablation: 'ablation',
  scaling: 'scaling',
  dynamics: 'dense',
};

/** What the others are compared with, where every activation is compared. */
export const REFERENCE = 'swiglu';

/** The comparisons in which every activation stands against {@link REFERENCE}, claim or no claim. */
const AGAINST_REFERENCE: readonly { readonly group: ClaimGroup; readonly metric: Metric }[] = (
  ['dense', 'moe'] as const
).flatMap((group) => (['heldOutLoss', 'tokensSaved'] as const).map((metric) => ({ group, metric })));

/** What is compared: a claim without its text. */
type Comparison = Pick<ComparedClaim, 'group' | 'metric' | 'candidate' | 'reference'>;

/**
 * What a comparison found for each claim, by its id: candidate less reference, paired by seed, on some data; claims that
 * no runs are there for are left out. It is that of {@link differencesOf}.
 */
export function findingsOf(document: CompareDocument, data: string): Record<string, HolmDifference> {
  const differences = differencesOf(document, data);
  const found = CLAIMS.flatMap((claim) => {
    const difference = 'untestable' in claim ? undefined : differences(claim);
    return difference === undefined ? [] : [[claim.id, difference] as const];
  });
  return Object.fromEntries(found);
}

/**
 * Every difference on some data, each of which there is once: corrected by Holm's procedure over all comparisons of the
 * same experiment and metric, be they claimed or only shown.
 *
 * @returns who gives a comparison's difference; none where no runs are there for it
 */
export function differencesOf(
  document: CompareDocument,
  data: string,
): (comparison: Comparison) => HolmDifference | undefined {
  const found = new Map<string, HolmDifference>();
  for (const family of groupedBy(comparisonsOf(document, data), familyOf).values()) {
    const known = family.flatMap((comparison): [string, Compared][] => {
      const compared = comparedOf(document, data, comparison);
      return compared === undefined ? [] : [[keyOf(comparison), compared]];
    });
    const differences = holmDifferences(known.map(([, compared]) => compared));
    for (const [i, [key]] of known.entries()) found.set(key, differences[i]!);
  }
  return (comparison) => found.get(keyOf(comparison));
}

function familyOf({ group, metric }: Comparison): string {
  return `${group} ${metric}`;
}

function keyOf(comparison: Comparison): string {
  return JSON.stringify([familyOf(comparison), comparison.candidate, comparison.reference]);
}

/** Every comparison that the report shows, once. */
function comparisonsOf(document: CompareDocument, data: string): Comparison[] {
  const claimed = CLAIMS.flatMap((claim): Comparison[] => ('untestable' in claim ? [] : [claim]));
  const shown = AGAINST_REFERENCE.flatMap(({ group, metric }): Comparison[] => {
    const groups = groupsOf(document, EXPERIMENTS[group]).filter((one) => one.data === data);
    const others = new Set(groups.map(({ activation }) => activation).filter((name) => name !== REFERENCE));
    return Array.from(others, (candidate) => ({ group, metric, candidate, reference: REFERENCE }));
  });
  return [...new Map([...claimed, ...shown].map((one) => [keyOf(one), one])).values()];
}

/** The values of candidate and reference by seed; none where they have no seed in common. */
function comparedOf(
  document: CompareDocument,
  data: string,
  { group, metric, candidate, reference }: Comparison,
): Compared | undefined {
  const groups = groupsOf(document, EXPERIMENTS[group]).filter((one) => one.data === data);
  const sides = sidesOf(groups, candidate, reference);
  if (sides === undefined) return undefined;
  const [a, b] = metric === 'tokensSaved' ? savedOf(...sides) : sides.map((side) => valuesAt(side, metric));
  return a!.some(({ seed }) => b!.some((other) => other.seed === seed)) ? [a!, b!] : undefined;
}

/** The groups of candidate and reference, of each size where there are several; ways of an ablation of one kind alone. */
function sidesOf(
  groups: readonly Group[],
  candidate: string,
  reference: string,
): [Group[], Group[]] | undefined {
  for (const members of groupedBy(groups, ({ group }) => group).values()) {
    const [a, b] = [candidate, reference].map((name) => members.filter((group) => isNamed(group, name)));
    if (a!.length > 0 && a!.length === b!.length) return [a!, b!];
  }
  return undefined;
}

function isNamed({ activation, label }: Group, name: string): boolean {
  return name === activation || name === `${activation} ${label}`;
}

const METRICS: Readonly<Record<Exclude<Metric, 'tokensSaved'>, (result: RunResult) => number | undefined>> = {
  trainLoss: (result) => smooth(trainPoints(result)).at(-1)!.y,
  heldOutLoss: ({ final }) => final?.loss,
  scalingLoss: ({ final }) => final?.loss,
  top1: ({ final }) => final?.top1,
  downstream: (result) => {
    const found = downstreamOf(result);
    return found && (found.cloze.accuracy.value + found.choice.normalised.value) / 2;
  },
  effectiveRank: (result) => {
    const ranks = dynamicsOf(result)?.layers.flatMap(
      ({ effectiveRank: { up_proj: up, down_proj: down } }) => [up!.value, down!.value],
    );
    return ranks && meanOf(ranks);
  },
  layerSimilarity: (result) => {
    const found = dynamicsOf(result);
    return found && meanOf(found.similarity.flatMap((row, i) => row.slice(0, i)));
  },
};

/** A metric by seed; the mean over sizes of the seeds that all of them have. */
function valuesAt(groups: readonly Group[], metric: Exclude<Metric, 'tokensSaved'>): SeedValue[] {
  const sizes = groups.map((group) => valuesOf(group, METRICS[metric]));
  return sizes[0]!.flatMap(({ seed }) => {
    const values = sizes.flatMap((all) => all.filter((one) => one.seed === seed).map(({ value }) => value));
    return values.length === sizes.length ? [{ seed, value: meanOf(values) }] : [];
  });
}

/** The share of tokens saved by seed, beside zeros. A seed that does not reach the target has saved none. */
function savedOf([candidate]: readonly Group[], [reference]: readonly Group[]): [SeedValue[], SeedValue[]] {
  const found = tokensSaved(candidate!, reference!);
  const values = found?.bySeed.map(({ seed, saving }) => ({ seed, value: saving ?? 0 })) ?? [];
  return [values, values.map(({ seed }) => ({ seed, value: 0 }))];
}

/** The tokens to the reference's final training loss, as the paper counts them; none where they share no seed. */
export function tokensSaved(candidate: Group, reference: Group): TokensToTarget | undefined {
  const [a, b] = [trainCurves(candidate), trainCurves(reference)];
  return a.some(({ seed }) => b.some((other) => other.seed === seed)) ? tokensToTarget(a, b) : undefined;
}

function trainCurves({ runs }: Group): SeedCurve[] {
  return runs.map(({ spec, result }) => ({ seed: spec.settings.seed, points: trainPoints(result) }));
}

/** The training loss over tokens: those up to the end of each mean. */
function trainPoints({ train, tokens }: RunResult) {
  const last = train.step.at(-1)!;
  return train.step.map((step, i) => ({ x: (step / last) * tokens, y: train.loss[i]! }));
}

/** Lists of those with one key. */
function groupedBy<T, K>(list: readonly T[], of: (one: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const one of list) groups.set(of(one), [...(groups.get(of(one)) ?? []), one]);
  return groups;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
