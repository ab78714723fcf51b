import { CLAIMS, type Claim, type ComparedClaim } from './claims.js';
import type { Interval } from './statistics.js';

/**
 * What an experiment found for a claim: candidate less reference, as its metric has it, with an interval that is corrected
 * for the number of comparisons. A HolmDifference is one.
 */
export interface Finding extends Interval {
  /** Holm's adjusted p, where several were compared. */
  readonly holm?: number | null;
  /** How many were compared together. */
  readonly comparisons?: number;
  /** The uncorrected interval. */
  readonly alone?: Pick<Interval, 'low' | 'high'>;
  /** The smallest difference that this many seeds could find in 80 % of cases. */
  readonly detectable?: number | null;
}

/** The three verdicts. */
export type Verdict = 'reproduced' | 'not reproduced' | 'not testable here';

/** A claim with what was found. */
export interface Judgement {
  readonly id: string;
  readonly text: string;
  readonly verdict: Verdict;
  /** Why, for people, beside the numbers of the finding. Begins with a small letter, ends without a full stop. */
  readonly reason: string;
  readonly finding: Finding | null;
  /** Whether the published number lies in the interval; null where there is none of either. */
  readonly publishedInside: boolean | null;
}

const ALPHA = 0.05;

/**
 * Judges a claim. Reproduced: the difference has the claimed sign, and its corrected interval leaves 0 out. Not reproduced: the interval leaves 0 out on the other side, or nothing is resolved, which is said. A claim
 * of equality takes an interval within its margin.
 *
 * @param finding none where nothing was run for it
 */
export function judge(claim: Claim, finding?: Finding): Judgement {
  const { id, text, published } = claim;
  const { low = null, high = null } = finding ?? {};
  const known = published.value !== null && low !== null && high !== null;
  return {
    id,
    text,
    ...verdictOf(claim, finding),
    finding: finding ?? null,
    publishedInside: known ? low <= published.value! && published.value! <= high : null,
  };
}

/** Judges every claim that a comparison of runs can test, and says of the others that they cannot be. */
export function judgeAll(findings: Readonly<Record<string, Finding | undefined>>): Judgement[] {
  return CLAIMS.map((claim) => judge(claim, findings[claim.id]));
}

function verdictOf(claim: Claim, finding?: Finding): Pick<Judgement, 'verdict' | 'reason'> {
  if ('untestable' in claim) return { verdict: 'not testable here', reason: claim.untestable };
  if (claim.published.source.every((source) => source === 'M')) {
    return {
      verdict: 'not testable here',
      reason: 'no source of the claim could be read: it is from memory',
    };
  }
  if (finding === undefined) return { verdict: 'not testable here', reason: 'nothing was run for it' };
  const { low, high, n } = finding;
  if (low === null || high === null) {
    return { verdict: 'not testable here', reason: `${n} seed: nothing is known of the spread` };
  }
  if (claim.expects === 'equal') return equality(claim, low, high);
  const sign = claim.expects === 'higher' ? 1 : -1;
  const outside = low > 0 || high < 0;
  if (outside && sign * finding.mean < 0) {
    return { verdict: 'not reproduced', reason: 'the difference has the other sign' };
  }
  const corrected = finding.holm === undefined || (finding.holm !== null && finding.holm < ALPHA);
  if (outside && corrected) return { verdict: 'reproduced', reason: 'the interval leaves 0 out' };
  return { verdict: 'not reproduced', reason: unresolved(finding) };
}

function unresolved({ mean, detectable, alone, comparisons = 1 }: Finding): string {
  const { low = null, high = null } = alone ?? {};
  if (low !== null && high !== null && (low > 0 || high < 0)) {
    const interval = `[${signed(low)}, ${signed(high)}]`;
    return `not resolved once corrected for ${comparisons} comparisons (uncorrected ${interval})`;
  }
  if (detectable != null && Math.abs(mean) < detectable) {
    return `not resolved: below the detectable difference, ${size(detectable)}`;
  }
  return 'not resolved: the interval holds 0';
}

function equality(
  { margin = 0 }: ComparedClaim,
  low: number,
  high: number,
): Pick<Judgement, 'verdict' | 'reason'> {
  if (low >= -margin && high <= margin) {
    return { verdict: 'reproduced', reason: `the interval lies within ±${size(margin)}` };
  }
  if (low > margin || high < -margin) {
    return { verdict: 'not reproduced', reason: `they differ by more than ${size(margin)}` };
  }
  return {
    verdict: 'not reproduced',
    reason: `not resolved: the interval reaches beyond ±${size(margin)}`,
  };
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${size(Math.abs(value))}`;
}

function size(value: number): string {
  return String(Number(value.toPrecision(3)));
}
