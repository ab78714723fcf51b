import { isGated } from '../op/gated.js';
import { activationOf } from './activation.js';
import type { ModelConfig } from './config.js';

/** What a block makes while it reads may take about so many bytes. */
const BLOCK_BYTES = 2 ** 29;

/** How many of these sequences are read at once, so that memory does not grow with their number: one at least. */
export function sequencesAtOnce(config: ModelConfig, wanted: number, time: number): number {
  return Math.max(1, Math.min(wanted, Math.floor(BLOCK_BYTES / (4 * time * numbersOfToken(config)))));
}

/** The numbers of a token that are live at the end of a block: the stream, heads and hidden layer, as they are made. */
function numbersOfToken({
  width,
  heads,
  kvHeads,
  headWidth,
  hidden,
  activation,
  experts,
}: ModelConfig): number {
  const attention = headWidth * (4 * heads + 5 * kvHeads);
  const network = (isGated(activationOf(activation)) ? 3 : 2) * hidden;
  // What a mixture's experts serve and answer is cut up and joined: it is there twice.
  return 7 * width + attention + (experts === undefined ? network : 2 * experts.active * (network + width));
}
