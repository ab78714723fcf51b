import * as tf from '@tensorflow/tfjs-core';
import { runActivationBackward } from './activation.js';
import { activate, coefficientNames, DENSE_NAMES, projectionNames, projections } from './feed-forward.js';
import type { LayerPass } from './forward-pass.js';
import { linear, linearInput, linearWeight, total } from './linear.js';
import { parameterAt } from './parameters.js';
import type { BranchGradients, BranchOutput, Kept, NamedGradients, Saved } from './tape-node.js';

const DOWN = 'mlp.down_proj.weight';

/**
 * The dense feed-forward network by hand: its forward pass off the tape, with what its backward pass needs beside n.
 *
 * @param recompute whether the activation's output is computed again rather than saved
 */
export function feedForwardForward(n: tf.Tensor, pass: LayerPass, recompute: boolean): BranchOutput {
  const projected = projections(n, pass, DENSE_NAMES.network);
  const hidden = activate(projected, pass, DENSE_NAMES.coefficients);
  const y = linear(hidden, parameterAt(pass.parameters, DOWN));
  return { y, saved: { projected, hidden: recompute ? [] : [hidden] } };
}

/** The gradients for n and, by their names, for the network's parameters. */
export function feedForwardBackward(
  dy: tf.Tensor,
  n: tf.Tensor,
  saved: Kept<Saved>,
  pass: LayerPass,
): BranchGradients {
  const { config, parameters } = pass;
  const projected = saved.projected!;
  const hidden = saved.hidden![0] ?? activate(projected, pass, DENSE_NAMES.coefficients);
  const gradients: NamedGradients = [[DOWN, linearWeight(dy, hidden)]];
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
