import * as tf from '@tensorflow/tfjs-core';
import { crossentropyOp } from '../fused/crossentropy.js';
import { crossEntropy, rmsNorm } from '../fused/index.js';
import { rmsnormOp } from '../fused/rmsnorm.js';
import { runBackward, runForward } from '../fused/run.js';
import { runKeeping } from './kept.js';
import { linear, linearInput, linearWeight, meanOf, spread } from './linear.js';
import { node } from './node.js';

/** The weights of the model's end: its last norm and its output matrix, [vocabulary, width]. */
export interface HeadWeights {
  readonly norm: tf.Tensor;
  readonly output: tf.Tensor;
}

/** The logits of the stream [B T, width], differentiably: [B T, vocabulary]. */
export function headLogits(x: tf.Tensor, { norm, output }: HeadWeights, epsilon: number): tf.Tensor2D {
  return linear(rmsNorm(x, norm, { epsilon }), output);
}

/** The mean cross-entropy of the stream [B T, width], differentiably. */
export function headLoss(
  x: tf.Tensor,
  weights: HeadWeights,
  targets: tf.Tensor1D,
  epsilon: number,
): tf.Scalar {
  return meanOf(crossEntropy(headLogits(x, weights, epsilon), targets));
}

/**
 * {@link headLoss} with its gradient by hand: one node of the tape, that disposes of the logits, the largest tensor
 * there is, before it makes the gradients of anything but them.
 *
 * @param recompute whether the norm's output is computed again rather than kept
 */
export function handwrittenHeadLoss(
  x: tf.Tensor,
  { norm, output }: HeadWeights,
  targets: tf.Tensor1D,
  epsilon: number,
  recompute: boolean,
): tf.Scalar {
  const [loss] = node(
    [x, norm, output],
    () => {
      const [n] = runForward(rmsnormOp, [x, norm], { epsilon });
      const losses = runKeeping(crossentropyOp, [linear(n!, output), targets]);
      return {
        outputs: [tf.mean(losses.y)],
        saved: { losses: losses.kept, x: [x], n: recompute ? [] : [n!] },
      };
    },
    (saved, [dloss]) => {
      const input = saved.x[0]!;
      const dlosses = spread(dloss!, targets.shape);
      const [dlogits] = runBackward(crossentropyOp, saved.losses, [dlosses]);
      tf.dispose(saved.losses);
      const n = saved.n[0] ?? runForward(rmsnormOp, [input, norm], { epsilon })[0]!;
      const doutput = linearWeight(dlogits!, n);
      const dn = linearInput(dlogits!, output);
      tf.dispose([dlogits!, n]);
      const [dx, dnorm] = runBackward(rmsnormOp, [input, norm], [dn], { epsilon });
      tf.dispose([dn, input]);
      return [dx!, dnorm!, doutput];
    },
  );
  return loss as tf.Scalar;
}
