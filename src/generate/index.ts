/** Texts out of a model: token by token, several at once. */

export { Decoder, type LanguageModel } from './decoder.js';
export { type ExportedModel, type ExportOptions, exportModel } from './export.js';
export { type Completion, complete, generate, type Prompt } from './generate.js';
export { KeyValueBuffers } from './kv-cache.js';
export { type LoadedModel, type LoadOptions, loadModel } from './load.js';
export type { GenerateOptions, SamplingOptions } from './options.js';
export { sampleToken } from './sampling.js';
export type { FinishReason, Piece } from './sequence.js';
