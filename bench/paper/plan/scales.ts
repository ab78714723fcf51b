import { PolycomError } from 'polycom';
import type { ConfigOverrides, PresetName } from 'polycom/model';
import type { RunSettings } from '../types.js';

/** A size of model: a preset and what is changed in it. `hidden` is the width of a gated feed-forward network. */
export interface Size {
  readonly name: string;
  readonly preset: PresetName;
  readonly set?: ConfigOverrides;
}

/** How large the experiments are. */
export interface Scale {
  readonly name: ScaleName;
  /** From small to large: those of the scaling experiment. */
  readonly sizes: readonly Size[];
  /** Which of the sizes the dense comparison and the ablations have, and the sweep of learning rates before them. */
  readonly dense: number;
  readonly moe: Size;
  readonly settings: Omit<RunSettings, 'learningRate' | 'seed'>;
  /** Steps of other experiments than the sweep and the dense comparison, where they are others. */
  readonly steps?: Partial<Record<'moe' | 'ablation' | 'scaling', number>>;
  readonly finalWindows: number;
  /** Of the dense comparison; the others have the first so many of them. */
  readonly seeds: readonly number[];
  readonly otherSeeds: number;
  /** Of the sweep: another one, so that no rate is chosen by a run that is then shown. */
  readonly sweepSeed: number;
  /** Learning rates that are swept, from low to high, each the same factor above the one before. */
  readonly rates: readonly number[];
  /** How many more rates are tried beyond these, one by one, where the best one lies at their border. */
  readonly extensions: number;
  /** The rate of an activation that was not swept. */
  readonly rate: number;
  /** Tokens of the synthetic languages. */
  readonly synthetic: number;
  /** CPU threads of a worker: 1, so that results do not depend on the number of workers; without it, as many as it likes. */
  readonly threads?: number;
  /** Workers; one for each CPU by default. */
  readonly workers?: number;
}

export type ScaleName = 'quick' | 'laptop' | 'gpu';

/** A small decoder for byte tokens. Widths are multiples of 24, so that 8/3 of them are even. */
function small(width: number, layers: number, context: number): Size {
  const heads = width / 24;
  const set = {
    ...{ width, layers, heads, kvHeads: heads, headWidth: 24, hidden: (width * 8) / 3, context },
    deviation: Math.sqrt(2 / (5 * width)),
  };
  return { name: `${width}x${layers}`, preset: 'tiny', set };
}

/** Likewise, a mixture of four experts of which two serve a token. */
function smallMixture(width: number, layers: number, context: number): Size {
  const { set } = small(width, layers, context);
  return { name: `${width}x${layers} moe`, preset: 'tiny-moe', set: { ...set!, hidden: width } };
}

/** A decoder in the proportions of GPT-2, for a GPU; the feed-forward network is a multiple of 64 wide. */
function large(width: number, layers: number): Size {
  const heads = width / 64;
  const hidden = 64 * Math.round(width / 24);
  return {
    name: `${width}x${layers}`,
    preset: 'gpt2-124m',
    set: { width, layers, heads, kvHeads: heads, hidden, deviation: Math.sqrt(2 / (5 * width)) },
  };
}

/** Eight experts of which two serve a token, each half as wide as the dense model's network. */
const largeMixture: ConfigOverrides = {
  hidden: 1024,
  qkNorm: true,
  experts: {
    count: 8,
    active: 2,
    coefficients: 'layer',
    normalised: false,
    balanceWeight: 0.01,
    zWeight: 0.001,
  },
};

/** The scales by name. */
export const scales: Readonly<Record<ScaleName, Scale>> = {
  quick: {
    name: 'quick',
    sizes: [small(24, 1, 32), small(24, 2, 32), small(48, 2, 32), small(72, 2, 32)],
    dense: 0,
    moe: smallMixture(24, 1, 32),
    settings: { steps: 300, batch: 16, time: 32, evalEvery: 30, evalBatches: 4 },
    finalWindows: 512,
    seeds: [1, 2, 3],
    otherSeeds: 2,
    sweepSeed: 0,
    rates: [8e-3, 1.6e-2, 3.2e-2],
    extensions: 2,
    rate: 8e-3,
    synthetic: 2 ** 18,
    threads: 1,
  },
  laptop: {
    name: 'laptop',
    sizes: [small(24, 2, 64), small(48, 2, 64), small(72, 3, 64), small(96, 4, 64)],
    dense: 1,
    moe: smallMixture(48, 2, 64),
    settings: { steps: 1500, batch: 16, time: 64, evalEvery: 75, evalBatches: 8 },
    steps: { moe: 800, ablation: 800, scaling: 800 },
    finalWindows: 2048,
    seeds: [1, 2, 3, 4, 5, 6, 7, 8],
    otherSeeds: 4,
    sweepSeed: 0,
    rates: [4e-3, 8e-3, 1.6e-2, 3.2e-2],
    extensions: 2,
    rate: 8e-3,
    synthetic: 2 ** 21,
    threads: 1,
  },
  gpu: {
    name: 'gpu',
    sizes: [large(256, 4), large(384, 6), large(512, 8), large(768, 12)],
    dense: 3,
    moe: { name: 'moe 768x12', preset: 'gpt2-124m', set: largeMixture },
    settings: { steps: 10_000, batch: 32, time: 1024, evalEvery: 250, evalBatches: 16 },
    finalWindows: 2048,
    seeds: [1, 2, 3],
    otherSeeds: 3,
    sweepSeed: 0,
    rates: [3e-4, 6e-4, 1.2e-3, 2.4e-3],
    extensions: 2,
    rate: 6e-4,
    synthetic: 2 ** 28,
    workers: 1,
  },
};

/** @throws {PolycomError} `INVALID_ARGUMENT` for a name that is none */
export function scaleNamed(name: string): Scale {
  if (Object.hasOwn(scales, name)) return scales[name as ScaleName];
  const names = Object.keys(scales).join(', ');
  throw new PolycomError('INVALID_ARGUMENT', `there is no scale '${name}'; expected one of ${names}`);
}
