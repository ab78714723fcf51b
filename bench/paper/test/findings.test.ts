import { describe, expect, test } from 'vitest';
import { CLAIMS } from '../judge/claims.js';
import { differencesOf, findingsOf } from '../judge/findings.js';
import { groupsOf, lossesOf } from '../judge/groups.js';
import { judgeAll } from '../judge/judge.js';
import { studentCdf } from '../judge/t-distribution.js';
import { documentOf } from './fixture.js';

const document = documentOf();

test('groups are runs that differ in their seed alone, without those that diverged', () => {
  const groups = groupsOf(document, 'dense');
  expect(groups.map(({ activation }) => activation)).toEqual([
    'relu',
    'relu2',
    'gelu',
    'swiglu',
    'polyrelu',
    'polynorm',
  ]);
  expect(groups.map(({ runs }) => runs.length)).toEqual([3, 3, 3, 3, 3, 3]);
  const [first] = groups[0]!.runs;
  const { final: _, ...rest } = first!.result;
  const diverged = { ...rest, diverged: { step: 3, message: 'NaN' } };
  const runs = document.runs.map((run) => (run.id === first!.id ? { ...run, result: diverged } : run));
  const [relu] = groupsOf({ ...document, runs }, 'dense');
  expect([relu!.runs.length, relu!.diverged]).toEqual([2, 1]);
  expect(lossesOf(relu!).map(({ seed }) => seed)).toEqual([2, 3]);
  expect(groupsOf({ ...document, experiments: [] }, 'dense')).toEqual([]);
});

describe('findings', () => {
  const findings = findingsOf(document, 'invented');

  test('are there for every claim that can be tested', () => {
    const testable = CLAIMS.filter((claim) => !('untestable' in claim)).map(({ id }) => id);
    expect(Object.keys(findings).sort()).toEqual([...testable].sort());
    expect(findingsOf(document, 'other data')).toEqual({});
  });

  test('are candidate less reference, by seed', () => {
    const losses = (activation: string) =>
      lossesOf(groupsOf(document, 'dense').find((group) => group.activation === activation)!);
    const [a, b] = [losses('polynorm'), losses('swiglu')];
    const mean = a.reduce((sum, { value }, i) => sum + value - b[i]!.value, 0) / 3;
    expect(findings['dense-held-out-polynorm']).toMatchObject({ n: 3 });
    expect(findings['dense-held-out-polynorm']!.mean).toBeCloseTo(mean, 12);
    expect(findings['order-4-3']!.mean).toBeCloseTo(-0.01, 3); // 4/100 - 3/100 better
    expect(findings['polyrelu-relu2']!.mean).toBeCloseTo(-0.15, 1);
    expect(findings['scaling-polynorm']!.mean).toBeCloseTo(-0.2, 1);
    expect(findings['rank-polynorm']!.mean).toBeGreaterThan(3.9);
    expect(findings['similarity-polynorm']!.mean).toBeLessThan(-0.05);
    expect(findings['dense-tokens-polynorm']!.mean).toBeGreaterThan(0.2);
  });

  test('make verdicts', () => {
    const verdicts = new Map(judgeAll(findings).map(({ id, verdict }) => [id, verdict]));
    expect(verdicts.get('dense-loss-polynorm-swiglu')).toBe('reproduced');
    expect(verdicts.get('moe-loss')).toBe('reproduced');
    expect(verdicts.get('vision')).toBe('not testable here');
  });

  test('have a p that is corrected over the claims of one experiment and metric', () => {
    const family = CLAIMS.filter(
      (claim) => claim.group === 'dense' && 'metric' in claim && claim.metric === 'trainLoss',
    );
    expect(family.length).toBeGreaterThan(3);
    const ps = family.map(({ id }) => {
      const { mean, deviation, n } = findings[id]!;
      return 2 * studentCdf(-Math.abs(mean) / (deviation! / Math.sqrt(n)), n - 1);
    });
    const least = Math.min(...family.map(({ id }) => findings[id]!.holm!));
    expect(least).toBeGreaterThan(0);
    expect(least).toBeCloseTo(family.length * Math.min(...ps), 10);
    for (const [i, { id }] of family.entries()) expect(findings[id]!.holm).toBeGreaterThanOrEqual(ps[i]!);
  });

  test('are one and the same, in whatever table: corrected for all comparisons with SwiGLU, not for the claimed alone', () => {
    const difference = differencesOf(document, 'invented');
    const pair = { group: 'dense', reference: 'swiglu' } as const;
    for (const [metric, id] of [
      ['heldOutLoss', 'dense-held-out-polynorm'],
      ['tokensSaved', 'dense-tokens-polynorm'],
    ] as const) {
      expect(difference({ ...pair, metric, candidate: 'polynorm' })).toEqual(findings[id]);
      expect(findings[id]!.comparisons).toBe(5); // the other five activations of the dense comparison
      expect(difference({ ...pair, metric, candidate: 'gelu' })!.comparisons).toBe(5);
    }
    expect(difference({ ...pair, metric: 'top1', candidate: 'gelu' })).toBeUndefined();
  });

  test('a seed that does not reach the target has saved nothing', () => {
    const worse = document.runs.map((run) =>
      run.spec.config.activation === 'polynorm'
        ? {
            ...run,
            result: {
              ...run.result,
              train: { ...run.result.train, loss: run.result.train.loss.map((one) => one + 1) },
            },
          }
        : run,
    );
    const found = findingsOf({ ...document, runs: worse }, 'invented')['dense-tokens-polynorm'];
    expect(found).toMatchObject({ mean: 0, n: 3 });
  });
});
