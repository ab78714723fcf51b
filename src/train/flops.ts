import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../model/config.js';
import { parameterCounts } from '../model/shapes.js';

/** A rate of arithmetic that a share is told of. */
export interface PeakFlops {
  /** Floating-point operations a second. */
  readonly flops: number;
  /** What it is the peak of, for people. */
  readonly named: string;
}

/**
 * Floating-point operations of a training step for each token, as nanoGPT and PaLM's appendix B count them:
 * 6 N + 12 layers · heads · headWidth · time, with N the parameters that serve a token, embeddings included.
 */
export function flopsPerToken(config: ModelConfig, time: number): number {
  const { layers, heads, headWidth } = config;
  return 6 * parameterCounts(config).active + 12 * layers * heads * headWidth * time;
}

/** Model FLOPs utilisation: the share of a peak that training at this rate makes use of. */
export function utilisation(
  config: ModelConfig,
  time: number,
  tokensPerSecond: number,
  peak: PeakFlops,
): number {
  return (flopsPerToken(config, time) * tokensPerSecond) / peak.flops;
}

/** How long one product must take for its rate to be that of the arithmetic. */
const LONG_MS = 60;
const REPEATS = 8;

/** The rate of the active backend's product of square float32 matrices, the fastest of a few. Takes well below a second. */
export async function measureMatmulPeak(): Promise<PeakFlops> {
  for (let size = 128; ; size *= 2) {
    await timeMatmul(size);
    const first = await timeMatmul(size);
    if (first < LONG_MS && size < 8192) continue;
    let best = first;
    for (let i = 1; i < REPEATS; ++i) best = Math.min(best, await timeMatmul(size));
    return {
      flops: (2 * size ** 3) / (best / 1000),
      named: `a product of ${size} x ${size} float32 matrices, measured in this process`,
    };
  }
}

/** Milliseconds of one product. */
async function timeMatmul(size: number): Promise<number> {
  const [a, b] = [tf.fill([size, size], 0.5), tf.fill([size, size], 0.25)];
  await Promise.all([a.data(), b.data()]);
  const began = performance.now();
  const product = tf.matMul(a, b);
  const corner = tf.slice(product, [0, 0], [1, 1]);
  await corner.data();
  const ms = performance.now() - began;
  tf.dispose([a, b, product, corner]);
  return ms;
}
