import { type ActivationName, configOf, labelOf, parameterCounts } from 'polycom/model';
import { idOf } from '../plan/specs.js';
import type { CompareDocument, DocumentRun, RunLabels, RunResult, RunSpec } from '../types.js';

/** How far below 3 nats the runs of an activation end: invented, and no measurement. */
const GAINS: Readonly<Record<string, number>> = {
  relu: 0,
  relu2: 0.05,
  gelu: 0.03,
  swiglu: 0.1,
  polyrelu: 0.2,
  polynorm: 0.3,
};

const HOST = { backend: 'tensorflow', fused: true, polycom: '0.0.0' };
const POINTS = 20;
const STEPS = 200;

/** A run that falls from 5 nats to where its activation ends; seeds differ, and do so a little by activation too. */
export function runOf(labels: RunLabels, more: Partial<RunSpec['config']> = {}, gain = 0): DocumentRun {
  const { activation, seed, data } = labels;
  const config = { ...configOf('tiny', { activation: activation as ActivationName, layers: 2 }), ...more };
  const spec: RunSpec = {
    schema: 1,
    config,
    data: { kind: 'synthetic', name: data, seed: 0, vocabulary: 64, length: 1000 },
    settings: {
      steps: STEPS,
      batch: 4,
      time: 16,
      learningRate: labels.rate ?? 0.01,
      seed,
      evalEvery: 10,
      evalBatches: 2,
    },
    finalWindows: 8,
    probes: ['downstream', 'dynamics'],
  };
  const salt = [...activation].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  const jitter = 0.001 * ((seed * seed * 7 + seed * salt) % 11);
  const end = 3 - (GAINS[activation] ?? 0) - gain + 0.02 * seed + jitter;
  const steps = Array.from({ length: POINTS }, (_, i) => ((i + 1) * STEPS) / POINTS);
  const losses = steps.map((step) => end + 2 * Math.exp((-5 * step) / STEPS) - 2 * Math.exp(-5));
  const tokens = steps.map((step) => step * 64);
  const value = (quality: number) => quality + 0.01 * jitter - 0.05 * end;
  const final = { loss: end, perplexity: Math.exp(end), top1: value(0.6), tokens: 128 };
  const share = (quality: number) => ({ value: value(quality), error: 0.02 });
  const rank = { value: 40 + 20 * (GAINS[activation] ?? 0) + 10 * jitter, most: 64 };
  const statistics = { mean: 0.1, rms: 1, kurtosis: 3, zeros: 0.2, dead: 0, most: 4 };
  const coefficients = activation.startsWith('poly')
    ? { 'model.layers.0.mlp.activation.weight': [0.3, 0.4, 0.5], 'model.layers.0.mlp.activation.bias': [0.1] }
    : {};
  const id = idOf(spec);
  const result: RunResult = {
    schema: 1,
    id,
    host: HOST,
    parameters: parameterCounts(config),
    tokens: tokens.at(-1)!,
    seconds: 2,
    wall_seconds: 3,
    step_ms_p20: 9,
    step_ms_p50: 10,
    step_ms_p80: 12,
    train: { step: steps, loss: losses },
    heldOut: {
      step: steps,
      tokens,
      seconds: steps.map((step) => step / 100),
      loss: losses,
      top1: losses.map(() => 0.3),
    },
    digest: 'none',
    final,
    sets: { verse: { ...final, loss: end + 0.1 } },
    coefficients: Object.fromEntries(
      Object.entries(coefficients).map(([name, values]) => [
        name,
        steps.map((_, i) => values.map((one) => one + i / 100)),
      ]),
    ),
    probes: {
      downstream: {
        cloze: { items: 64, accuracy: share(0.4), loss: 9, oracle: 0.5 },
        choice: { items: 64, accuracy: share(0.5), normalised: share(0.55), chance: 0.25, oracle: 0.8 },
      },
      dynamics: {
        tokens: 64,
        layers: [0, 1].map(() => ({
          coefficients: {},
          effectiveRank: { up_proj: rank, down_proj: rank },
          argument: statistics,
          hidden: statistics,
        })),
        similarity: [0, 1, 2].map((i) =>
          [0, 1, 2].map((j) => (i === j ? 1 : 0.5 - 0.3 * (GAINS[activation] ?? 0) + jitter)),
        ),
      },
    },
  };
  return { id, spec, result };
}

/** The labels of a run. */
export function labelsOf(activation: string, seed: number, more: Partial<RunLabels> = {}): RunLabels {
  return { data: 'invented', activation, seed, label: labelOf(activation), ...more };
}

/** A document with some runs of each experiment; every number in it is invented. */
export function documentOf(): CompareDocument {
  const seeds = [1, 2, 3];
  const runs = new Map<string, DocumentRun>();
  const experiment = (
    name: CompareDocument['experiments'][number]['name'],
    list: readonly (readonly [RunLabels, Partial<RunSpec['config']>?, number?])[],
  ) => ({
    name,
    title: name,
    runs: list.map(([labels, more, gain]) => {
      const run = runOf(labels, more, gain);
      runs.set(run.id, run);
      return { id: run.id, labels };
    }),
  });
  const experiments = [
    experiment(
      'sweep',
      [0.005, 0.01].map((rate) => [labelsOf('swiglu', 0, { rate })] as const),
    ),
    experiment(
      'dense',
      Object.keys(GAINS).flatMap((activation) => seeds.map((seed) => [labelsOf(activation, seed)] as const)),
    ),
    experiment(
      'moe',
      ['swiglu', 'polynorm'].flatMap((activation) =>
        seeds.map((seed) => [labelsOf(activation, seed), { width: 32 }] as const),
      ),
    ),
    experiment('ablation', [
      ...[2, 3, 4].flatMap((order) =>
        seeds.map(
          (seed) =>
            [
              labelsOf('polynorm', seed, { group: 'order of PolyNorm', label: `order ${order}` }),
              { order, context: 64 },
              order / 100,
            ] as const,
        ),
      ),
      ...['relu2', 'polyrelu'].flatMap((activation) =>
        seeds.map((seed) => [labelsOf(activation, seed, { group: 'ReLU family' }), { context: 64 }] as const),
      ),
    ]),
    experiment(
      'scaling',
      [32, 48, 64, 96].flatMap((width) =>
        ['swiglu', 'polynorm'].flatMap((activation) =>
          seeds.map(
            (seed) =>
              [
                labelsOf(activation, seed, { size: String(width) }),
                { width, context: 32 },
                Math.log(width) / 10,
              ] as const,
          ),
        ),
      ),
    ),
  ];
  return {
    schema: 1,
    bench: 'compare',
    date: '2026-01-02T03:04:05Z',
    commit: '0123456789ab',
    command: 'npm run paper -- --quick',
    scale: 'invented',
    seconds: 360,
    machine: { cpu: 'A <fast> CPU', cpus: 2, memory_gb: 8, os: 'Linux', cache_mb: 32 },
    workers: 2,
    versions: { polycom: '0.0.0', node: '24.0.0' },
    notes: ['a note & more'],
    data: [{ kind: 'synthetic', name: 'invented', seed: 0, vocabulary: 64, length: 1000, entropy: 2.2 }],
    rates: [{ data: 'invented', activation: 'swiglu', rate: 0.01, from: 'swept', border: true }],
    experiments,
    runs: [...runs.values()],
    overflow: (['eager', 'fused'] as const).flatMap((method) =>
      [1, 10].map((sigma) => ({
        ...{ activation: 'polynorm', order: 3, dtype: 'f16' as const, method, pass: 'forward' as const },
        ...{ sigma, nonFinite: method === 'eager' ? sigma : 0, count: 100 },
      })),
    ),
  };
}
