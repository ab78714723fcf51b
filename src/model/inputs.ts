import type * as tf from '@tensorflow/tfjs-core';
import { invalid } from '../op/check.js';
import type { ModelConfig } from './config.js';

/** Checks what a model is given: int32 [B, T], of at least one token and at most `context` a sequence. */
export function checkTokens(tokens: tf.Tensor, { context }: ModelConfig): void {
  if (tokens.dtype !== 'int32') {
    throw invalid('model', `tokens are ${tokens.dtype}; expected int32`, { tokens }, 'tokens.toInt()');
  }
  if (tokens.rank !== 2 || tokens.size === 0) {
    throw invalid('model', 'tokens must be [sequences, tokens], of one or more', { tokens });
  }
  const time = tokens.shape[1]!;
  if (time > context) {
    throw invalid('model', `the sequences have ${time} tokens; expected at most the context, ${context}`, {
      tokens,
    });
  }
}

/** Checks that the targets are as the tokens are. */
export function checkTargets(targets: tf.Tensor, tokens: tf.Tensor): void {
  if (targets.dtype !== 'int32') {
    throw invalid('model', `targets are ${targets.dtype}; expected int32`, { targets }, 'targets.toInt()');
  }
  const same = targets.rank === 2 && targets.shape.every((length, i) => length === tokens.shape[i]);
  if (!same) throw invalid('model', 'targets must have the shape of the tokens', { tokens, targets });
}

/** Checks that there is a target for each token, and one at least that is to be scored. */
export function checkTargetCount(targets: Int32Array, tokens: tf.Tensor): void {
  if (targets.length !== tokens.size) {
    throw invalid('model', `there are ${targets.length} targets; expected one for each token`, { tokens });
  }
  if (targets.every((target) => target === -1)) throw invalid('model', 'no token has a target', { tokens });
}
