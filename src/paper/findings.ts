import { CLAIMS, type ClaimGroup, type ComparedClaim, type Metric } from './claims.js';
import { type SeedCurve, smooth, tokensToTarget } from './curves.js';
import { downstreamOf, dynamicsOf, type Group, groupsOf, valuesOf } from './groups.js';
import type { Finding } from './judge.js';
import { holm, type PairedDifference, pairedDifference, type SeedValue } from './statistics.js';
import type { CompareDocument, ExperimentName, RunResult } from './types.js';

/** The experiment whose runs a claim is tested on. */
const EXPERIMENTS: Readonly<Record<ClaimGroup, ExperimentName>> = {
  dense: 'dense',
  moe: 'moe',
  ablation: 'ablation',
  scaling: 'scaling',
  dynamics: 'dense',
};

/**
 * What a comparison found for each claim, by its id: candidate less reference, paired by seed, on some data. A p is
 * corrected by Holm's procedure over the claims of the same experiment and metric. Claims that no runs are there for are
 * left out.
 */
export function findingsOf(document: CompareDocument, data: string): Record<string, Finding> {
  const found = CLAIMS.flatMap((claim) => {
    if ('untestable' in claim) return [];
    const difference = differenceOf(document, data, claim);
    return difference === undefined ? [] : [{ claim, difference }];
  });
  const families = groupedBy(found, ({ claim }) => `${claim.group} ${claim.metric}`);
  const findings = [...families.values()].flatMap((family) => {
    const adjusted = holm(family.map(({ difference }) => difference.p ?? 1));
    return family.map(({ claim, difference: { p, ...rest } }, i): [string, Finding] => [
      claim.id,
      { ...rest, holm: p === null ? null : adjusted[i]! },
    ]);
  });
  return Object.fromEntries(findings);
}

function differenceOf(
  document: CompareDocument,
  data: string,
  { group, metric, candidate, reference }: ComparedClaim,
): PairedDifference | undefined {
  const groups = groupsOf(document, EXPERIMENTS[group]).filter((one) => one.data === data);
  const sides = sidesOf(groups, candidate, reference);
  if (sides === undefined) return undefined;
  const [a, b] = metric === 'tokensSaved' ? savedOf(...sides) : sides.map((side) => valuesAt(side, metric));
  return a!.some(({ seed }) => b!.some((other) => other.seed === seed))
    ? pairedDifference(a!, b!)
    : undefined;
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
  const [a, b] = [trainCurves(candidate!), trainCurves(reference!)];
  if (!a.some(({ seed }) => b.some((other) => other.seed === seed))) return [[], []];
  const values = tokensToTarget(a, b).bySeed.map(({ seed, saving }) => ({ seed, value: saving ?? 0 }));
  return [values, values.map(({ seed }) => ({ seed, value: 0 }))];
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
function groupedBy<T, K>(list: readonly T[], keyOf: (one: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const one of list) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
