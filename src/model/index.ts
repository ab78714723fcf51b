/** The transformer: its configuration, itself, and what measures it. Runs on whatever backend of tfjs is active. */
export {
  type ActivationOptions,
  type ConfigOverrides,
  checkConfig,
  configOf,
  type ExpertConfig,
  type ModelConfig,
  type Preset,
  parameterCounts,
  parameterShapes,
  presets,
} from './config.js';
export type { ParameterSource, Parameters } from './parameters.js';
export type { KeyValueCache, Observed, Observer } from './pass.js';
export { measurePeak, type Peak } from './peak.js';
export { type Losses, type LossOptions, type Memory, Transformer } from './transformer.js';
