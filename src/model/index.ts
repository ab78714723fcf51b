/** The transformer: its configuration, itself, and what measures it. Runs on whatever backend of tfjs is active. */
export { labelOf } from '../activations/labels.js';
export { activationNames, formulaOf, isActivationName } from './activation.js';
export { sequencesAtOnce } from './at-once.js';
export { checkConfig } from './check.js';
export type { ActivationName, ActivationOptions, ExpertConfig, ModelConfig } from './config.js';
export type { KeyValueCache, Observed, Observer } from './forward-pass.js';
export type { ParameterSource, Parameters } from './parameters.js';
export { measurePeak, type PeakMemory } from './peak.js';
export {
  type ConfigOverrides,
  configOf,
  isPresetName,
  type Preset,
  type PresetName,
  presetNames,
  presets,
} from './presets.js';
export { parameterCounts, parameterShapes } from './shapes.js';
export { type GradientMemory, type Losses, type LossOptions, Transformer } from './transformer.js';
