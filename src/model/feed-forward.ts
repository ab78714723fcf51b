import type * as tf from '@tensorflow/tfjs-core';
import { isGated } from '../op/gated.js';
import { activationOf, coefficientsOf, runActivation } from './activation.js';
import type { NetworkPass } from './forward-pass.js';
import { linear } from './linear.js';
import { parameterAt } from './parameters.js';

/** A feed-forward network's parameters: their place within the layer, and that of the activation's coefficients. */
export interface NetworkNames {
  readonly network: string;
  readonly coefficients: string;
}

export const DENSE_NAMES: NetworkNames = { network: 'mlp', coefficients: 'mlp' };

/** The dense feed-forward network of a block's normalised stream [rows, width], differentiably. */
export function feedForward(n: tf.Tensor, pass: NetworkPass): tf.Tensor {
  const hidden = activate(projections(n, pass, DENSE_NAMES.network), pass, DENSE_NAMES.coefficients);
  return linear(hidden, parameterAt(pass.parameters, 'mlp.down_proj.weight'));
}

/** What the activation takes: [gate, up], or of an ungated one [up]. */
export function projections(n: tf.Tensor, { config, parameters }: NetworkPass, network: string): tf.Tensor[] {
  return projectionNames(config.activation, network).map((name) => linear(n, parameterAt(parameters, name)));
}

/** The weights that give {@link projections}. */
export function projectionNames(activation: string, network: string): string[] {
  const names = isGated(activationOf(activation)) ? ['gate_proj', 'up_proj'] : ['up_proj'];
  return names.map((name) => `${network}.${name}.weight`);
}

/** The names of the activation's coefficients, if it has any. */
export function coefficientNames(activation: string, coefficients: string): string[] {
  return coefficientsOf(activationOf(activation)).map((name) => `${coefficients}.activation.${name}`);
}

/** The activation of its projections, which the observer sees. */
export function activate(
  projected: readonly tf.Tensor[],
  pass: NetworkPass,
  coefficients: string,
): tf.Tensor {
  const { config, layer, parameters, observer } = pass;
  const names = coefficientNames(config.activation, coefficients);
  observer?.('argument', projected[0]!, layer);
  const y = runActivation(config, [...projected, ...names.map((name) => parameterAt(parameters, name))]);
  observer?.('hidden', y, layer);
  return y;
}
