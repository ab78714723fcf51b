import type { ActivationName } from 'polycom/model';
import { tensorflowStatus } from 'polycom/tensorflow';
import { describe, expect, test } from 'vitest';
import { flopsRows } from '../cost/flops.js';
import { runCost } from '../cost/index.js';
import { analyticMemory } from '../cost/memory.js';
import { judgeCost } from '../judge/judge-theory.js';

const NAMES = ['relu', 'relu2', 'gelu', 'swiglu', 'polyrelu', 'polynorm'];

describe('arithmetic', () => {
  const rows = flopsRows(NAMES, 2048);
  const of = (name: string) => rows.find(({ activation }) => activation === name)!;

  test('is counted by formula', () => {
    expect(rows.map(({ perElement }) => perElement)).toEqual([1, 2, 5, 5, 9, 17]);
    expect(rows.map(({ perElementFused }) => perElementFused)).toEqual([1, 2, 5, 5, 7, 12]);
  });

  test('networks have equal parameters, so equal arithmetic: 16 H² a token', () => {
    for (const { networkFlops } of rows) expect(networkFlops).toBeCloseTo(16 * 2048 ** 2, 3);
  });

  test('shares are the counts over the width', () => {
    expect(of('relu2').shareTimesWidth).toBeCloseTo(0.5, 12);
    expect(of('polyrelu').shareTimesWidth).toBeCloseTo(9 / 4, 12);
    expect(of('swiglu').shareTimesWidth).toBeCloseTo(5 / 6, 12);
  });

  test('what has no count is left out', () => {
    expect(flopsRows(['polynormglu', 'nothing'], 64).map(({ activation }) => activation)).toEqual([
      'polynormglu',
    ]);
  });
});

test('memory by formula, with and without recomputation', () => {
  const rows = analyticMemory(['polyrelu', 'polynorm', 'swiglu', 'reglu']);
  expect(rows.map(({ activation, analytic }) => [activation, analytic.tape, analytic.recompute])).toEqual([
    ['polyrelu', 12, 4],
    ['polynorm', 24, 4],
    ['swiglu', 16, 8],
  ]);
});

const hasTensorflow = tensorflowStatus.package !== undefined;
if (!hasTensorflow) console.warn(`skipped: measured cost: ${tensorflowStatus.missing}`);

test.skipIf(!hasTensorflow)('measured: what is kept, the peaks of steps, their times', async () => {
  const names: ActivationName[] = ['relu', 'swiglu', 'polyrelu', 'polynorm'];
  const cost = await runCost({ quick: true, batch: 2, time: 32, activations: names });
  expect(cost.backend).toBe('tensorflow');
  for (const { activation, kept, peak } of cost.memory) {
    const inputs = activation === 'swiglu' ? 2 : 1;
    // A few scalars beside the matrices.
    expect(kept.recompute!, activation).toBeLessThan(4 * inputs + 0.01);
    expect(kept.recompute!, activation).toBeGreaterThanOrEqual(4 * inputs);
    expect(kept.tape!, activation).toBeGreaterThanOrEqual(kept.recompute!);
    if (kept.fused !== null) expect(kept.fused, activation).toBeLessThan(4 * inputs + 0.01);
    if (peak.fused !== null) expect(peak.fused, activation).toBeLessThan(peak.tape!);
  }
  const polynorm = cost.memory.find(({ activation }) => activation === 'polynorm')!;
  expect(polynorm.kept.tape!).toBeGreaterThan(24);
  for (const { peakBytes } of cost.stepMemory) {
    expect(peakBytes.block).toBeLessThan(peakBytes.tape);
    expect(peakBytes.recompute).toBeLessThanOrEqual(peakBytes.block);
  }
  expect(cost.steps.map(({ activation, ok }) => [activation, ok])).toEqual(names.map((name) => [name, true]));
  for (const { ms_p20, ms_p50, ms_p80 } of cost.steps) {
    expect(ms_p20!).toBeLessThanOrEqual(ms_p50!);
    expect(ms_p50!).toBeLessThanOrEqual(ms_p80!);
  }
  const verdicts = Object.fromEntries(judgeCost(cost).map(({ id, verdict }) => [id, verdict]));
  expect(verdicts['cost-memory-recompute']).toBe('reproduced');
  // No published ratio could be read.
  expect(verdicts['cost-flops-polynorm']).toBe('not testable here');
  expect(verdicts['cost-flops-gelu']).toBe('not testable here');
  expect(JSON.parse(JSON.stringify(cost))).toEqual(cost);
});
