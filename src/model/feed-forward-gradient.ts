import * as tf from '@tensorflow/tfjs-core';
import { runActivationBackward } from './activation.js';
import type { ModelConfig } from './config.js';
import { activate, coefficientNames, DENSE_NAMES, projectionNames, projections } from './feed-forward.js';
import { linear, linearInput, linearWeight, total } from './linear.js';
import type { Kept, Saved } from './node.js';
import { type LayerParameters, parameterAt } from './parameters.js';

const DOWN = 'mlp.down_proj.weight';

/**
 * The dense feed-forward network by hand: its forward pass off the tape, with what its backward pass needs beside n.
 *
 * @param recompute whether the activation's output is computed again rather than saved
 */
export function feedForwardForward(
  n: tf.Tensor,
  config: ModelConfig,
  parameters: LayerParameters,
  recompute: boolean,
): { y: tf.Tensor; saved: Saved } {
  const projected = projections(n, config.activation, parameters, DENSE_NAMES.network);
  const hidden = activate(projected, config, parameters, DENSE_NAMES.coefficients);
  const y = linear(hidden, parameterAt(parameters, DOWN));
  return { y, saved: { projected, hidden: recompute ? [] : [hidden] } };
}

/** The gradients for n and, by their names, for the network's parameters. */
export function feedForwardBackward(
  dy: tf.Tensor,
  n: tf.Tensor,
  saved: Kept<Saved>,
  config: ModelConfig,
  parameters: LayerParameters,
): { dn: tf.Tensor; gradients: [name: string, gradient: tf.Tensor][] } {
  const projected = saved.projected!;
  const hidden = saved.hidden![0] ?? activate(projected, config, parameters, DENSE_NAMES.coefficients);
  const gradients: [string, tf.Tensor][] = [[DOWN, linearWeight(dy, hidden)]];
  tf.dispose(hidden);
  const dhidden = linearInput(dy, parameterAt(parameters, DOWN));
  const coefficients = coefficientNames(config.activation, DENSE_NAMES.coefficients);
  const inputs = [...projected, ...coefficients.map((name) => parameterAt(parameters, name))];
  const dinputs = runActivationBackward(config, inputs, dhidden);
  tf.dispose([dhidden, projected]);
  for (const [i, name] of coefficients.entries()) gradients.push([name, dinputs[projected.length + i]!]);
  const parts = projectionNames(config.activation, DENSE_NAMES.network).map((name, i) => {
    gradients.push([name, linearWeight(dinputs[i]!, n)]);
    const part = linearInput(dinputs[i]!, parameterAt(parameters, name));
    dinputs[i]!.dispose();
    return part;
  });
  return { dn: total(parts), gradients };
}
