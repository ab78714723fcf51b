import * as tf from '@tensorflow/tfjs-core';
import { runBackward, runForward, runKeeping } from '../op/run.js';
import { crossentropyOp } from '../transformer-ops/crossentropy.js';
import { crossEntropy, rmsNorm } from '../transformer-ops/index.js';
import { rmsnormOp } from '../transformer-ops/rmsnorm.js';
import { linear, linearInput, linearWeight, meanOf, spread } from './linear.js';
import { checkpoint } from './recompute.js';
import { node } from './tape-node.js';
import type { LossOptions } from './transformer.js';

/** The weights of the model's end: its last norm and its output matrix, [vocabulary, width]. */
export interface HeadWeights {
  readonly norm: tf.Tensor;
  readonly output: tf.Tensor;
}

/** The logits of the stream [B T, width], differentiably: [B T, vocabulary]. */
export function headLogits(x: tf.Tensor, { norm, output }: HeadWeights, epsilon: number): tf.Tensor2D {
  return linear(rmsNorm(x, norm, { epsilon }), output);
}

/** So many bytes of logits are made at a time, where a number of each row is all that is wanted of them. */
const LOGITS_BYTES = 2 ** 27;

/** Of each target its cross-entropy, and the most probable token in its place (a type, as tf.tidy takes no interface). */
export type TokenScores = { readonly losses: tf.Tensor1D; readonly best?: tf.Tensor1D };

/**
 * Scores the targets of the stream's rows, [B T, width]. There are never more logits than those of a slice of the rows.
 *
 * @param targets of each row the token that follows, or -1 for none, which is not scored
 * @param best whether the most probable tokens are wanted
 * @param bytes of the logits that there may be at once, if a row's are not more
 */
export function headScores(
  x: tf.Tensor,
  weights: HeadWeights,
  targets: Int32Array,
  epsilon: number,
  best: boolean,
  bytes: number = LOGITS_BYTES,
): TokenScores {
  const rows = [...targets.keys()].filter((row) => targets[row] !== -1);
  const most = Math.max(1, Math.floor(bytes / (4 * weights.output.shape[0]!)));
  const parts: TokenScores[] = [];
  for (let from = 0; from < rows.length; from += most) {
    const slice = rows.slice(from, from + most);
    parts.push(
      tf.tidy((): TokenScores => {
        const logits = headLogits(rowsOf(x, slice), weights, epsilon);
        const labels = Int32Array.from(slice, (row) => targets[row]!);
        const losses = crossEntropy(logits, tf.tensor1d(labels, 'int32'));
        return best ? { losses, best: tf.argMax(logits, -1) } : { losses };
      }),
    );
  }
  const whole = (name: 'losses' | 'best') => tf.concat1d(parts.map((part) => part[name]!));
  return best ? { losses: whole('losses'), best: whole('best') } : { losses: whole('losses') };
}

/** Some rows of a matrix. */
export function rowsOf(x: tf.Tensor, rows: readonly number[]): tf.Tensor {
  return tf.gather(x, tf.tensor1d([...rows], 'int32'));
}

/** The mean cross-entropy of the stream [B T, width], differentiably. */
function headLoss(x: tf.Tensor, weights: HeadWeights, targets: tf.Tensor1D, epsilon: number): tf.Scalar {
  return meanOf(crossEntropy(headLogits(x, weights, epsilon), targets));
}

/** {@link headLoss}, of which the tape keeps what the options say. */
export function headLossWith(
  x: tf.Tensor,
  weights: HeadWeights,
  targets: tf.Tensor1D,
  epsilon: number,
  { memory = 'block', recompute = false }: LossOptions,
): tf.Scalar {
  if (memory === 'block') return handwrittenHeadLoss(x, weights, targets, epsilon, recompute);
  if (memory === 'tape') return headLoss(x, weights, targets, epsilon);
  const { norm, output } = weights;
  const f = (...[rows, w, out, labels]: tf.Tensor[]) => [
    headLoss(rows!, { norm: w!, output: out! }, labels as tf.Tensor1D, epsilon),
  ];
  return checkpoint(f, [x, norm, output], [targets])[0] as tf.Scalar;
}

/**
 * {@link headLoss} with its gradient by hand: one node of the tape, that disposes of the logits, the largest tensor
 * there is, before it makes the gradients of anything but them.
 *
 * @param recompute whether the norm's output is computed again rather than kept
 */
function handwrittenHeadLoss(
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
