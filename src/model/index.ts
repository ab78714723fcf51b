/** The transformer: its configuration, itself, and what measures it. Runs on whatever backend of tfjs is active. */
export {
  type ActivationName,
  type ActivationOptions,
  activationNames,
  type ConfigOverrides,
  checkConfig,
  configOf,
  type ExpertConfig,
  isActivationName,
  isPresetName,
  type ModelConfig,
  type Preset,
  type PresetName,
  parameterCounts,
  parameterShapes,
  presetNames,
  presets,
} from './config.js';
export type { ParameterSource, Parameters } from './parameters.js';
export type { KeyValueCache, Observed, Observer } from './pass.js';
export { measurePeak, type Peak } from './peak.js';
export { type Losses, type LossOptions, type Memory, Transformer } from './transformer.js';
