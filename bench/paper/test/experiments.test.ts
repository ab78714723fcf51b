import { parameterCounts } from 'polycom/model';
import { expect, test } from 'vitest';
import { type experimentNames, planExperiment } from '../plan/experiments.js';
import { scales } from '../plan/scales.js';
import { idOf, syntheticData } from '../plan/specs.js';
import { bestRates, beyondBorder, rateOf } from '../plan/sweep.js';
import type { DataSpec, PlannedRun, Rate, RunResult, RunSpec } from '../types.js';

const text: DataSpec = {
  kind: 'text',
  name: 'play.txt',
  hash: '0123',
  tokenizer: 'bytes',
  vocabulary: 257,
};

function plan(name: (typeof experimentNames)[number], scale: keyof typeof scales, rates: Rate[] = []) {
  const synthetic = syntheticData({ length: scales[scale].synthetic });
  const moreData = [syntheticData({ seed: 1, vocabulary: 256, length: scales[scale].synthetic })];
  const options = { scale: scales[scale], data: [text, synthetic], moreData, rates };
  return planExperiment(name, options).runs;
}

const everyScale = Object.keys(scales) as (keyof typeof scales)[];

test('a spec has the same id whatever the order of its fields, and another one with every change', () => {
  const [{ spec }] = plan('dense', 'quick') as [PlannedRun];
  const turned = Object.fromEntries(Object.entries(spec).reverse()) as unknown as RunSpec;
  const reversed = Object.fromEntries(
    Object.entries(spec.settings).reverse(),
  ) as unknown as RunSpec['settings'];
  expect(idOf({ ...turned, settings: reversed })).toBe(idOf(spec));
  expect(idOf({ ...spec, config: { ...spec.config, experts: undefined } as never })).toBe(idOf(spec));
  const changed: RunSpec[] = [
    { ...spec, settings: { ...spec.settings, seed: 77 } },
    { ...spec, settings: { ...spec.settings, learningRate: spec.settings.learningRate * (1 + 1e-12) } },
    { ...spec, config: { ...spec.config, order: 2 } },
    { ...spec, data: { ...text, hash: '0124' } },
    { ...spec, probes: [] },
  ];
  expect(new Set([spec, ...changed].map(idOf)).size).toBe(changed.length + 1);
});

test('an id stays what it was: finished runs of earlier versions are found', () => {
  const spec = {
    schema: 1,
    config: { width: 8, activation: 'relu' },
    data: { kind: 'text', name: 'a', hash: 'b', tokenizer: 'bytes', vocabulary: 257 },
    settings: { steps: 3, seed: 1 },
    finalWindows: 4,
    probes: ['downstream'],
  } as unknown as RunSpec;
  expect(idOf(spec)).toBe('b80c4933a0ebf662');
});

test.each(everyScale)('%s: runs that are compared have equal parameters, data, steps and seeds', (scale) => {
  for (const name of ['dense', 'moe', 'scaling'] as const) {
    const groups = new Map<string, PlannedRun[]>();
    for (const run of plan(name, scale)) {
      const key = JSON.stringify([run.labels.data, run.labels.size, run.labels.seed]);
      groups.set(key, [...(groups.get(key) ?? []), run]);
    }
    for (const group of groups.values()) {
      expect(group.length).toBe({ dense: 6, moe: 2, scaling: 3 }[name]);
      const counts = group.map(({ spec }) => parameterCounts(spec.config));
      for (const which of ['total', 'active'] as const) {
        const sizes = counts.map((count) => count[which]);
        expect(Math.max(...sizes) / Math.min(...sizes), `${name}, ${which}`).toBeLessThan(1.005);
      }
      const same = group.map(({ spec: { data, settings, finalWindows, probes } }) => {
        const { learningRate: _, ...rest } = settings;
        return JSON.stringify({ data, rest, finalWindows, probes });
      });
      expect(new Set(same).size).toBe(1);
    }
  }
  expect(plan('moe', scale).every(({ spec }) => spec.config.experts !== undefined)).toBe(true);
  const dense = parameterCounts(plan('dense', scale)[0]!.spec.config).total;
  for (const { spec, labels } of plan('ablation', scale)) {
    expect(parameterCounts(spec.config).total / dense, labels.label).toBeCloseTo(1, 2);
  }
});

test('the sweep has every rate of every activation, and a seed of its own', () => {
  const runs = plan('sweep', 'laptop');
  const { rates, seeds, sweepSeed } = scales.laptop;
  expect(runs).toHaveLength(2 * 6 * rates.length);
  expect(seeds).not.toContain(sweepSeed);
  expect(new Set(runs.map(({ spec }) => spec.settings.learningRate))).toEqual(new Set(rates));
});

test('there are at least three seeds and four sizes, and swept rates are taken', () => {
  expect(scales.laptop.seeds.length).toBeGreaterThanOrEqual(3);
  for (const scale of everyScale) expect(scales[scale].sizes.length).toBeGreaterThanOrEqual(4);
  const rate: Rate = { data: 'play.txt', activation: 'relu', rate: 0.0123, from: 'swept', border: false };
  const dense = plan('dense', 'quick', [rate]);
  const ratesOf = (data: string, activation: string) =>
    new Set(
      dense
        .filter(({ labels }) => labels.data === data && labels.activation === activation)
        .map(({ spec }) => spec.settings.learningRate),
    );
  expect(ratesOf('play.txt', 'relu')).toEqual(new Set([0.0123]));
  expect(ratesOf('play.txt', 'gelu')).toEqual(new Set([scales.quick.rate]));
});

test('ways of an ablation that are the dense comparison’s own are the very same runs', () => {
  const dense = new Set(plan('dense', 'quick').map(({ spec }) => idOf(spec)));
  const shared = plan('ablation', 'quick').filter(({ spec }) => dense.has(idOf(spec)));
  const names = new Set(shared.map(({ labels: { group, label } }) => `${group}: ${label}`));
  expect(names).toContain('order of PolyNorm: order 3');
  expect(names).toContain('norm of PolyNorm: root mean square (official code)');
  expect(names).not.toContain('order of PolyNorm: order 2');
});

/** A sweep's runs, and results with these losses; infinite for a run that diverged. */
function swept(losses: Readonly<Record<number, number>>) {
  const [like] = plan('sweep', 'quick') as [PlannedRun];
  const runs = Object.keys(losses).map((text): PlannedRun => {
    const rate = Number(text);
    const settings = { ...like.spec.settings, learningRate: rate };
    return { labels: { ...like.labels, rate }, spec: { ...like.spec, settings } };
  });
  const results = runs.map(({ labels, spec }) => {
    const loss = losses[labels.rate!]!;
    return [idOf(spec), Number.isFinite(loss) ? { final: { loss } } : {}] as [string, RunResult];
  });
  return bestRates(runs, new Map(results));
}

test('the best rate is that of the lowest loss, and a border is told and gone beyond', () => {
  expect(swept({ 1: 3, 2: 2, 4: 2.5 })).toMatchObject([{ rate: 2, border: false, from: 'swept' }]);
  const [low] = swept({ 1: 1, 2: 2, 4: 3 });
  expect(low).toMatchObject({ rate: 1, border: true });
  expect(beyondBorder(low!)).toBe(0.5);
  const [high] = swept({ 1: 3, 2: 2, 4: 1 });
  expect(beyondBorder(high!)).toBe(8);
  expect(beyondBorder(swept({ 1: 3, 2: 2, 4: Number.POSITIVE_INFINITY })[0]!)).toBeUndefined();
  expect(swept({ 1: Number.POSITIVE_INFINITY })).toEqual([]);
});

test('a rate that was not swept is that of like data, or the default', () => {
  const rate = (data: string, activation: string, value: number): Rate => ({
    data,
    activation,
    rate: value,
    from: 'swept',
    border: false,
  });
  const rates = [rate('play.txt', 'relu', 1), rate('synthetic', 'relu', 2)];
  expect(rateOf(rates, 'synthetic', 'relu', 9).rate).toBe(2);
  expect(rateOf(rates, 'synthetic-1-256', 'relu', 9).rate).toBe(2);
  expect(rateOf(rates, 'other.txt', 'relu', 9).rate).toBe(1);
  expect(rateOf(rates, 'play.txt', 'gelu', 9)).toMatchObject({ rate: 9, from: 'default' });
});
