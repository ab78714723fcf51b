/** Text as tokens: tokenizers, shards larger than memory, batches in a repeatable order, and a synthetic language. */
export { normalGenerator, permutation, uniform } from '../common/random.js';
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
export { loadTokenizer } from './load-tokenizer.js';
export { type Data, type OpenDataOptions, openData } from './open.js';
export { type PrepareOptions, prepareShards } from './prepare.js';
export { openShards, type ShardsAbout, type ShardsManifest, type Side, type TokenSource } from './shards.js';
export { type SyntheticOptions, type SyntheticSource, syntheticLanguage } from './synthetic.js';
export { type ByteCounter, byteCounter } from './text-bytes.js';
export { streamText, type TextStream, type Tokenizer } from './tokenizer.js';
export type { Shard } from './writer.js';
