/** What `prepareShards` and `openData` take for the options that are left out. */
export const dataDefaults = {
  /** The tokenizer's name. */
  tokenizer: 'bytes',
  /** The share of the text that is held out of training. */
  heldOut: 0.05,
  /** The field of JSON lines that has the text. */
  field: 'text',
  /** Most tokens of a shard. */
  shardTokens: 67_108_864,
} as const;
