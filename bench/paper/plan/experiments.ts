import {
  type ActivationName,
  type ConfigOverrides,
  configOf,
  type ModelConfig,
  presets,
} from 'polycom/model';
import { probeNames } from '../measure/probes.js';
import type {
  DataSpec,
  Experiment,
  ExperimentName,
  PlannedRun,
  Rate,
  RunLabels,
  RunSpec,
  SyntheticData,
} from '../types.js';
import { ablations } from './ablations.js';
import { DENSE } from './names.js';
import type { Scale, Size } from './scales.js';
import { rateOf } from './sweep.js';

/** Those of the mixtures of experts, and of the scaling experiment. */
const MIXTURE = ['swiglu', 'polynorm'];
const SCALED = ['swiglu', 'polyrelu', 'polynorm'];

/** What the experiments are planned from. */
export interface PlanOptions {
  readonly scale: Scale;
  /** What they are trained on; the first is that of the ablations and of the scaling experiment. */
  readonly data: readonly DataSpec[];
  /** What the mixtures are trained on beside that. */
  readonly moreData: readonly SyntheticData[];
  /** The learning rates that are known. */
  readonly rates: readonly Rate[];
}

type Plan = (options: PlanOptions) => PlannedRun[];

const PLANS: Readonly<Record<ExperimentName, { readonly title: string; readonly plan: Plan }>> = {
  sweep: { title: 'Learning rates', plan: planSweep },
  dense: { title: 'Dense comparison at equal parameters and tokens', plan: planDense },
  moe: { title: 'Mixture of experts', plan: planMixture },
  ablation: { title: 'Ablations', plan: planAblations },
  scaling: { title: 'Scaling', plan: planScaling },
};

/** The experiments, in the order in which they are made. */
export const experimentNames = Object.keys(PLANS) as readonly ExperimentName[];

/** Plans an experiment's runs. */
export function planExperiment(name: ExperimentName, options: PlanOptions): Experiment {
  const { title, plan } = PLANS[name];
  return { name, title, runs: plan(options) };
}

function planSweep({ scale, data }: PlanOptions): PlannedRun[] {
  return data.flatMap((one) =>
    Object.keys(DENSE).flatMap((activation) =>
      scale.rates.map((rate) => sweepRun(scale, one, activation, rate)),
    ),
  );
}

/** A run of the sweep: also one beyond the rates that were planned at first. */
export function sweepRun(scale: Scale, data: DataSpec, activation: string, rate: number): PlannedRun {
  const seed = scale.sweepSeed;
  const labels = { data: data.name, activation, seed, rate, label: DENSE[activation]! };
  const config = configOfSize(scale.sizes[scale.dense]!, activation, data);
  return { labels, spec: specOf(scale, config, data, { learningRate: rate, seed }, []) };
}

function planDense(options: PlanOptions): PlannedRun[] {
  const { scale, data } = options;
  return each(data, Object.entries(DENSE), scale.seeds, (one, [activation, label], seed) => {
    const labels = { data: one.name, activation, seed, label };
    return sizedRun(options, scale.sizes[scale.dense]!, one, { activation }, labels);
  });
}

function planMixture(options: PlanOptions): PlannedRun[] {
  const { scale, data, moreData } = options;
  const seeds = scale.seeds.slice(0, scale.otherSeeds);
  return each([...data, ...moreData], MIXTURE, seeds, (one, activation, seed) => {
    const labels = { data: one.name, activation, seed, label: DENSE[activation]! };
    return sizedRun(options, scale.moe, one, { activation }, labels, { steps: 'moe' });
  });
}

function planAblations(options: PlanOptions): PlannedRun[] {
  const { scale, data } = options;
  const size = scale.sizes[scale.dense]!;
  const seeds = scale.seeds.slice(0, scale.otherSeeds);
  return each(data.slice(0, 1), ablations, seeds, (one, { group, label, set, rateOf }, seed) => {
    const labels = { data: one.name, activation: set.activation, seed, group, label };
    return sizedRun(options, size, one, set, labels, { steps: 'ablation', rateOf });
  });
}

function planScaling(options: PlanOptions): PlannedRun[] {
  const { scale, data } = options;
  const seeds = scale.seeds.slice(0, scale.otherSeeds);
  return scale.sizes.flatMap((size) =>
    each(data.slice(0, 1), SCALED, seeds, (one, activation, seed) => {
      const labels = { data: one.name, activation, seed, size: size.name, label: DENSE[activation]! };
      return sizedRun(options, size, one, { activation }, labels, { steps: 'scaling' });
    }),
  );
}

/**
 * A run of some size. Its learning rate is that of the sweep, divided by the root of how many times wider it is than the
 * size that was swept: the same rule for every activation.
 */
function sizedRun(
  { scale, rates }: PlanOptions,
  size: Size,
  data: DataSpec,
  { activation, ...set }: Omit<ConfigOverrides, 'activation'> & { readonly activation: string },
  labels: RunLabels,
  options: { readonly steps?: keyof NonNullable<Scale['steps']>; readonly rateOf?: string } = {},
): PlannedRun {
  const config = configOfSize(size, activation, data, set);
  const swept = configOfSize(scale.sizes[scale.dense]!, activation, data);
  const { rate } = rateOf(rates, data.name, options.rateOf ?? activation, scale.rate);
  const learningRate = Number((rate * Math.sqrt(swept.width / config.width)).toPrecision(4));
  const steps = options.steps === undefined ? {} : stepsOf(scale, options.steps);
  const settings = { learningRate, seed: labels.seed, ...steps };
  return { labels, spec: specOf(scale, config, data, settings, probeNames) };
}

function stepsOf(scale: Scale, what: keyof NonNullable<Scale['steps']>): { steps?: number } {
  const steps = scale.steps?.[what];
  return steps === undefined ? {} : { steps };
}

function specOf(
  { settings, finalWindows }: Scale,
  config: ModelConfig,
  data: DataSpec,
  own: Pick<RunSpec['settings'], 'learningRate' | 'seed'> & { readonly steps?: number },
  probes: readonly string[],
): RunSpec {
  return { schema: 1, config, data, settings: { ...settings, ...own }, finalWindows, probes };
}

/** A size's configuration. The width of an ungated network follows from that of a gated one, as presets have it. */
export function configOfSize(
  { preset, set = {} }: Size,
  activation: string,
  data: Pick<DataSpec, 'vocabulary'>,
  more: ConfigOverrides = {},
): ModelConfig {
  const { hidden: gated, ...rest } = set;
  const shared = { ...rest, vocabulary: data.vocabulary, ...more, activation: activation as ActivationName };
  const plain = configOf(preset, shared);
  if (gated === undefined) return plain;
  const hidden = (gated * plain.hidden) / presets[preset].hidden;
  return configOf(preset, { ...shared, hidden });
}

/** Of each of three lists, the seeds last: runs that are compared with each other follow each other. */
function each<A, B, C, R>(
  as: readonly A[],
  bs: readonly B[],
  cs: readonly C[],
  make: (a: A, b: B, c: C) => R,
): R[] {
  return as.flatMap((a) => bs.flatMap((b) => cs.map((c) => make(a, b, c))));
}
