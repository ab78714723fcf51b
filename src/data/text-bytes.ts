import { memoized } from '../common/objects.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * Counts bytes of UTF-8, a token at a time: the counts of a text's tokens add up to its bytes, wherever it is cut.
 *
 * @param id of the token
 * @param begins whether a text begins with it: a decoder may take a space off there
 */
export type ByteCounter = (id: number, begins: boolean) => number;

/** The counter of a tokenizer's tokens; each is decoded once, however often it is counted. */
export const byteCounter: (tokenizer: Tokenizer) => ByteCounter = memoized((tokenizer) => {
  const [inside, first] = [new Map<number, number>(), new Map<number, number>()];
  return (id, begins) => {
    const counts = begins ? first : inside;
    const count = counts.get(id) ?? countOf(tokenizer, id, begins);
    counts.set(id, count);
    return count;
  };
});

function countOf(tokenizer: Tokenizer, id: number, begins: boolean): number {
  const said = tokenizer.bytes?.(id);
  if (said !== undefined) return said;
  const alone = Buffer.byteLength(tokenizer.decode([id]));
  // Inside a text is behind another token; what that one is does not matter, so that it can be the same.
  return begins ? alone : Buffer.byteLength(tokenizer.decode([id, id])) - alone;
}
