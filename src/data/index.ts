/** Text as tokens: tokenizers, shards larger than memory, batches in a repeatable order, and a synthetic language. */
export {
  type Batch,
  Batches,
  type BatchesOptions,
  type BatchesState,
  type WindowsOptions,
  windowsInOrder,
} from './batches.js';
export { byteTokenizer } from './bytes.js';
export type { InputFile } from './inputs.js';
export { type Data, type OpenDataOptions, openData } from './open.js';
export { type PrepareOptions, prepareShards } from './prepare.js';
export { openShards, type ShardsAbout, type ShardsManifest, type Side, type TokenSource } from './shards.js';
export { type SyntheticOptions, type SyntheticSource, syntheticLanguage } from './synthetic.js';
export { type ByteCounter, byteCounter } from './text-bytes.js';
export { loadTokenizer, streamText, type TextStream, type Tokenizer } from './tokenizer.js';
export type { Shard } from './writer.js';
