import { invalidArgument } from '../common/errors.js';
import { given } from '../common/objects.js';
import { isGated } from '../op/gated.js';
import { activationOf } from './activation.js';
import { checkConfig } from './check.js';
import type { ExpertConfig, ModelConfig } from './config.js';

/** A model but for its activation; `hidden` is the width of a gated feed-forward network. */
export type Preset = Omit<ModelConfig, 'activation' | 'order'>;

type Sizes = Pick<Preset, 'vocabulary' | 'width' | 'layers' | 'heads' | 'hidden' | 'context'>;

/**
 * A model of these sizes, as most are. The standard deviation is sqrt(2 / (5 width)) (Nguyen and Salazar 2019), as the
 * paper's dense models have it.
 */
function sized({
  width,
  heads,
  kvHeads = heads,
  ...sizes
}: Sizes & Partial<Pick<Preset, 'kvHeads'>>): Preset {
  const usual = { tied: true, qkNorm: false, ropeBase: 10_000, normEpsilon: 1e-5, dropout: 0 };
  const deviation = Math.sqrt(2 / (5 * width));
  return { ...usual, width, heads, kvHeads, headWidth: width / heads, ...sizes, deviation };
}

const mixture: ExpertConfig = {
  count: 8,
  active: 2,
  coefficients: 'layer',
  normalised: false,
  balanceWeight: 0.01,
  zWeight: 0.001,
};

/** The names of the presets. */
export type PresetName =
  | 'tiny'
  | 'tiny-moe'
  | 'small'
  | 'small-moe'
  | 'gpt2-124m'
  | 'dense-1.3b'
  | 'moe-1b-7b';

const tiny = sized({
  vocabulary: 257,
  width: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  hidden: 128,
  context: 128,
});

/** Models by name: two of the paper's (arXiv 2411.03884), one of GPT-2's size, and small ones for bytes. */
export const presets: Readonly<Record<PresetName, Preset>> = {
  tiny,
  'tiny-moe': { ...tiny, hidden: 64, qkNorm: true, experts: { ...mixture, count: 4 } },
  small: sized({ vocabulary: 257, width: 192, layers: 4, heads: 6, hidden: 512, context: 256 }),
  'small-moe': {
    ...sized({ vocabulary: 257, width: 128, layers: 4, heads: 4, hidden: 128, context: 256 }),
    qkNorm: true,
    experts: mixture,
  },
  'gpt2-124m': {
    ...sized({ vocabulary: 50_257, width: 768, layers: 12, heads: 12, hidden: 2048, context: 1024 }),
    deviation: 0.02,
  },
  'dense-1.3b': {
    ...sized({ vocabulary: 32_000, width: 2048, layers: 24, heads: 16, hidden: 5504, context: 4096 }),
    tied: false,
  },
  'moe-1b-7b': {
    ...sized({ vocabulary: 50_304, width: 2048, layers: 16, heads: 16, hidden: 1024, context: 4096 }),
    tied: false,
    qkNorm: true,
    experts: { ...mixture, count: 64, active: 8 },
    deviation: 0.02,
  },
};

/** The names of all presets. */
export const presetNames: readonly PresetName[] = Object.keys(presets) as PresetName[];

/** Whether a text from outside is the name of a preset. */
export function isPresetName(name: unknown): name is PresetName {
  return (presetNames as readonly unknown[]).includes(name);
}

/** What {@link configOf} may be told beside the preset: any field of the model. */
export type ConfigOverrides = { readonly [key in keyof ModelConfig]?: ModelConfig[key] | undefined };

/**
 * A preset with an activation. An ungated one gets 3/2 of the gated network's width: two matrices of the same size
 * together as the three of a gated one.
 *
 * @param overrides any field of the model; `activation` is polynorm by default, and its `order` 3. `hidden` is taken
 *   as it is; undefined is no override
 * @throws {PolycomError} `INVALID_ARGUMENT` for an unknown preset, or a field that {@link checkConfig} refuses
 */
export function configOf(preset: PresetName, overrides: ConfigOverrides = {}): ModelConfig {
  if (!isPresetName(preset)) {
    throw invalidArgument(`there is no preset '${preset}'; expected one of ${presetNames.join(', ')}`);
  }
  const base = presets[preset];
  const activation = overrides.activation ?? 'polynorm';
  const hidden = isGated(activationOf(activation)) ? base.hidden : (base.hidden * 3) / 2;
  return checkConfig({ ...base, activation, order: 3, hidden, ...given(overrides) } as ModelConfig);
}
