import type * as tf from '@tensorflow/tfjs-core';
import { activationOf, coefficientsOf, isGated, runActivation } from './activation.js';
import type { ModelConfig } from './config.js';
import { linear } from './linear.js';
import { type LayerParameters, parameterAt } from './parameters.js';
import type { Observed } from './pass.js';

/** Sees what goes into an activation, and what comes out. */
export type See = (part: Observed, x: tf.Tensor) => void;

/** A feed-forward network's parameters: their place within the layer, and that of the activation's coefficients. */
export interface NetworkNames {
  readonly network: string;
  readonly coefficients: string;
}

export const DENSE_NAMES: NetworkNames = { network: 'mlp', coefficients: 'mlp' };

/** The dense feed-forward network of a block's normalised stream [rows, width], differentiably. */
export function feedForward(
  n: tf.Tensor,
  config: ModelConfig,
  parameters: LayerParameters,
  see?: See,
): tf.Tensor {
  const projected = projections(n, config.activation, parameters, DENSE_NAMES.network);
  const hidden = activate(projected, config, parameters, DENSE_NAMES.coefficients, see);
  return linear(hidden, parameterAt(parameters, 'mlp.down_proj.weight'));
}

/** What the activation takes: [gate, up], or of an ungated one [up]. */
export function projections(
  n: tf.Tensor,
  activation: string,
  parameters: LayerParameters,
  network: string,
): tf.Tensor[] {
  return projectionNames(activation, network).map((name) => linear(n, parameterAt(parameters, name)));
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

/** The activation of its projections. */
export function activate(
  projected: readonly tf.Tensor[],
  config: ModelConfig,
  parameters: LayerParameters,
  coefficients: string,
  see?: See,
): tf.Tensor {
  const names = coefficientNames(config.activation, coefficients);
  see?.('argument', projected[0]!);
  const y = runActivation(config, [...projected, ...names.map((name) => parameterAt(parameters, name))]);
  see?.('hidden', y);
  return y;
}
