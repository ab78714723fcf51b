import type { Evaluation } from '../train/index.js';

/** An evaluation for people. */
export function evaluationText({ loss, perplexity, bitsPerByte }: Evaluation): string {
  const bits = bitsPerByte === undefined ? '' : `, ${bitsPerByte.toFixed(4)} bits a byte`;
  return `loss ${loss.toFixed(4)} nats a token, perplexity ${perplexity.toPrecision(5)}${bits}`;
}

/** An evaluation for programs. */
export function evaluationDocument({ loss, perplexity, bitsPerByte, tokens }: Evaluation): object {
  return { loss, perplexity, bits_per_byte: bitsPerByte, tokens };
}
