import type * as tf from '@tensorflow/tfjs-core';
import { nestedGradients } from '../op/nested.js';
import type { ExpertConfig, ModelConfig } from './config.js';
import { mixture, type RoutingMemo } from './mixture.js';
import type { LayerParameters } from './parameters.js';

/** The gradients of a mixture's outputs for n and, by their names, for its parameters: those of the mixture run again. */
export function mixtureBackward(
  dys: tf.Tensor[],
  n: tf.Tensor,
  config: ModelConfig,
  experts: ExpertConfig,
  parameters: LayerParameters,
  memo: RoutingMemo,
): { dn: tf.Tensor; gradients: [name: string, gradient: tf.Tensor][] } {
  const names = [...parameters.keys()].filter((name) => name.startsWith('mlp.'));
  const run = (rows: tf.Tensor, ...values: tf.Tensor[]) =>
    mixture(rows, config, experts, new Map(names.map((name, i) => [name, values[i]!])), memo);
  const inputs = [n, ...names.map((name) => parameters.get(name)!)];
  const [dn, ...rest] = nestedGradients((rows, ...values) => run(rows!, ...values), inputs, dys);
  return { dn: dn!, gradients: names.map((name, i) => [name, rest[i]!]) };
}
