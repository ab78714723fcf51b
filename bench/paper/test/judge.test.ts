import { activationNames } from 'polycom/model';
import { describe, expect, test } from 'vitest';
import { CLAIMS, type ComparedClaim, SOURCES } from '../judge/claims.js';
import { type Finding, judge, judgeAll } from '../judge/judge.js';
import { holmDifferences, pairedDifference } from '../judge/statistics.js';

const LOSS = claim('dense-loss-polynorm-swiglu');
const TOKENS = claim('dense-tokens-polynorm');
const EQUAL = claim('order-4-3');

describe('the table of claims', () => {
  test('has each claim once, with sources that are spelt out', () => {
    const ids = CLAIMS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { published, text } of CLAIMS) {
      expect(published.source.length).toBeGreaterThan(0);
      for (const source of published.source) expect(SOURCES[source]).toBeTruthy();
      expect(text).toMatch(/\.$/);
    }
  });

  test('names activations of the table, and losses as published', () => {
    const known = activationNames;
    for (const one of CLAIMS) {
      if ('untestable' in one) continue;
      expect(known).toContain(one.candidate.split(' ')[0]);
      expect(known).toContain(one.reference.split(' ')[0]);
      const { value } = one.published;
      if (value !== null && one.expects !== 'equal') {
        expect(Math.sign(value), one.id).toBe(one.expects === 'lower' ? -1 : 1);
      }
    }
    expect(LOSS.published.value).toBe(-0.019);
    expect(claim('dense-loss-polyrelu-relu').published.value).toBe(-0.038);
  });
});

describe('a verdict', () => {
  const found = (mean: number, half: number, more: Partial<Finding> = {}): Finding => ({
    mean,
    low: mean - half,
    high: mean + half,
    n: 5,
    ...more,
  });

  test('is reproduced where the interval leaves 0 out on the claimed side', () => {
    expect(judge(LOSS, found(-0.02, 0.01))).toMatchObject({
      verdict: 'reproduced',
      reason: 'the interval leaves 0 out',
      publishedInside: true,
    });
    expect(judge(TOKENS, found(0.1, 0.05))).toMatchObject({ verdict: 'reproduced', publishedInside: false });
  });

  test('is not reproduced where it does so on the other', () => {
    const { verdict, reason } = judge(LOSS, found(0.02, 0.01));
    expect(verdict).toBe('not reproduced');
    expect(reason).toContain('the other sign');
    expect(judge(TOKENS, found(-0.1, 0.05)).verdict).toBe('not reproduced');
  });

  test('says so where nothing is resolved', () => {
    const small = judge(LOSS, found(-0.02, 0.03, { detectable: 0.05 }));
    expect(small.verdict).toBe('not reproduced');
    expect(small.reason).toMatch(/^not resolved: below the detectable difference, 0\.05$/);
    expect(judge(LOSS, found(-0.02, 0.03)).reason).toMatch(/^not resolved: the interval holds 0/);
    expect(judge(LOSS, found(-0.02, 0.03, { detectable: 0.01 })).reason).toMatch(/the interval holds 0/);
  });

  test('respects the correction for several comparisons', () => {
    expect(judge(LOSS, found(-0.02, 0.01, { holm: 0.2 }))).toMatchObject({ verdict: 'not reproduced' });
    expect(judge(LOSS, found(-0.02, 0.01, { holm: 0.01 }))).toMatchObject({ verdict: 'reproduced' });
    const alone = { low: -0.03, high: -0.01 };
    const corrected = judge(LOSS, found(-0.02, 0.03, { holm: 0.07, comparisons: 4, alone }));
    expect(corrected).toMatchObject({
      verdict: 'not reproduced',
      reason: 'not resolved once corrected for 4 comparisons (uncorrected [−0.03, −0.01])',
    });
  });

  test('is none of one seed, of no runs, and of what cannot be run', () => {
    expect(judge(LOSS, { mean: -1, low: null, high: null, n: 1 })).toMatchObject({
      verdict: 'not testable here',
      reason: '1 seed: nothing is known of the spread',
      publishedInside: null,
    });
    expect(judge(LOSS).reason).toBe('nothing was run for it');
    const vision = CLAIMS.find(({ id }) => id === 'vision')!;
    expect(judge(vision, found(-1, 0.1)).verdict).toBe('not testable here');
  });

  test('is none of a claim that is from memory alone', () => {
    const remembered = CLAIMS.filter(({ published: { source } }) => source.join() === 'M');
    expect(remembered.map(({ id }) => id)).toEqual(['dense-downstream-polyrelu', 'order-3-2', 'vision']);
    for (const one of remembered) {
      expect(judge(one, found(-0.02, 0.01))).toMatchObject({
        verdict: 'not testable here',
        publishedInside: null,
      });
    }
    expect(judge(remembered[1]!, found(-0.02, 0.01)).reason).toContain('it is from memory');
  });

  test('of equality takes an interval within the margin', () => {
    expect(judge(EQUAL, found(0.002, 0.005)).verdict).toBe('reproduced');
    expect(judge(EQUAL, found(0.03, 0.005)).reason).toMatch(/^they differ by more than 0\.01/);
    const wide = judge(EQUAL, found(0, 0.02));
    expect([wide.verdict, wide.reason.slice(0, 12)]).toEqual(['not reproduced', 'not resolved']);
  });
});

test('from runs to verdicts', () => {
  const runs = (...values: number[]) => values.map((value, seed) => ({ seed, value }));
  const swiglu = runs(2.5, 2.52, 2.48, 2.51);
  const [polynorm, polyrelu] = holmDifferences([
    [runs(2.45, 2.469, 2.431, 2.46), swiglu],
    [runs(2.5, 2.515, 2.49, 2.505), swiglu],
  ]);
  const judgements = judgeAll({
    'dense-loss-polynorm-swiglu': polynorm,
    'dense-loss-polyrelu-swiglu': polyrelu,
    'moe-loss': pairedDifference(runs(3), runs(3.1)),
  });
  const verdict = (id: string) => judgements.find((one) => one.id === id)!.verdict;
  expect(judgements).toHaveLength(CLAIMS.length);
  expect(verdict('dense-loss-polynorm-swiglu')).toBe('reproduced');
  expect(verdict('dense-loss-polyrelu-swiglu')).toBe('not reproduced');
  expect(verdict('moe-loss')).toBe('not testable here');
  expect(verdict('moe-tokens')).toBe('not testable here');
});

function claim(id: string): ComparedClaim {
  return CLAIMS.find((one) => one.id === id) as ComparedClaim;
}
