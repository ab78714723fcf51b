import type { CompareDocument, DataSpec } from '../types.js';

/** The name of data for people. */
export function dataName(data: DataSpec): string {
  if (data.kind === 'text') return data.name;
  return `the synthetic language of ${data.vocabulary} tokens${data.seed === 0 ? '' : `, seed ${data.seed}`}`;
}

/** What is known of data, for people. */
export function describeData(data: CompareDocument['data'][number]): string {
  const count = (value: number): string => value.toLocaleString('en-US');
  if (data.kind === 'text') {
    const { tokenizer, vocabulary, hash } = data;
    return `${data.name}: a vocabulary of ${count(vocabulary)} (${tokenizer}); SHA-256 of the tokens ${hash.slice(0, 16)}…`;
  }
  const entropy = data.entropy === undefined ? '' : `, entropy ${data.entropy.toFixed(4)} nats a token`;
  return `${dataName(data)}: ${count(data.length)} tokens${entropy}`;
}
