import * as tf from '@tensorflow/tfjs-core';
import { polyNorm } from './polynorm.js';

/** By what a row is divided: the root of its squares' mean (the official code), or of their sum (the paper's Eq. 3). */
export type Norm = 'rms' | 'l2';

/** PolyNorm by either norm. √(Σu² + ε) is √H √(mean(u²) + ε/H), so one fused op serves both. */
export function polyNormBy(
  norm: Norm,
  x: tf.Tensor,
  weight: tf.Tensor,
  bias: tf.Tensor,
  epsilon: number,
): tf.Tensor {
  if (norm === 'rms') return polyNorm(x, weight, bias, { epsilon });
  const cols = Math.max(1, x.shape.at(-1) ?? 1);
  return polyNorm(x, tf.div(weight, Math.sqrt(cols)), bias, { epsilon: epsilon / cols });
}
