import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../common/errors.js';

/** The part of tfjs's engine that says what is on a tape. */
interface TapeState {
  activeTape: unknown;
  gradientDepth: number;
  kernelDepth: number;
}

/**
 * The gradients of f's outputs with respect to `xs`, weighted with `dys`, on a tape of their own: callable inside a
 * gradient function, whose tape tfjs would lose, and inside a `tf.customGrad`, which records nothing.
 *
 * @param f from xs to one output for each of `dys`; what else it makes is disposed of
 * @param dys of the outputs' shapes; an output without one is left out
 * @returns one for each of `xs`: zeros for one that no output depends on
 */
export function nestedGradients(
  f: (...xs: tf.Tensor[]) => readonly tf.Tensor[],
  xs: readonly tf.Tensor[],
  dys: readonly (tf.Tensor | undefined)[],
): tf.Tensor[] {
  const state = (tf.engine() as unknown as { state: TapeState }).state;
  const { activeTape, gradientDepth, kernelDepth } = state;
  state.activeTape = null;
  state.gradientDepth = 0;
  state.kernelDepth = 0;
  try {
    return tf.tidy(() => {
      // Clones: the same tensor may be given twice, or be a node of another tape.
      const inputs = xs.map((x) => tf.clone(x));
      const { grads } = tf
        .engine()
        .gradients(() => joined(f(...inputs), dys), inputs, undefined as unknown as tf.Tensor, true);
      return inputs.map((x, i) => (grads[i] as tf.Tensor | undefined) ?? tf.zerosLike(x));
    });
  } finally {
    state.activeTape = activeTape;
    state.gradientDepth = gradientDepth;
    state.kernelDepth = kernelDepth;
  }
}

/** A scalar whose gradient with respect to each output is the one given for it: no product, no sum. */
function joined(outputs: readonly tf.Tensor[], dys: readonly (tf.Tensor | undefined)[]): tf.Tensor {
  if (outputs.length !== dys.length) {
    throw new PolycomError('INTERNAL', `${outputs.length} outputs have ${dys.length} gradients`);
  }
  const wanted = outputs.filter((_, i) => dys[i] !== undefined);
  const given = dys.filter((dy) => dy !== undefined);
  const join = tf.customGrad(() => ({
    value: tf.scalar(0),
    gradFunc: () => given.map((dy) => tf.clone(dy)),
  }));
  return join(...wanted);
}
