import type * as tf from '@tensorflow/tfjs-core';
import { nestedGradients } from '../op/nested.js';
import type { LayerPass } from './forward-pass.js';
import { mixture } from './mixture.js';
import type { BranchGradients } from './tape-node.js';

/** The gradients of a mixture's outputs for n and for its parameters: those of the mixture run again. */
export function mixtureBackward(dys: tf.Tensor[], n: tf.Tensor, pass: LayerPass): BranchGradients {
  const names = [...pass.parameters.keys()].filter((name) => name.startsWith('mlp.'));
  const run = (rows: tf.Tensor, ...values: tf.Tensor[]) =>
    mixture(rows, { ...pass, parameters: new Map(names.map((name, i) => [name, values[i]!])) });
  const inputs = [n, ...names.map((name) => pass.parameters.get(name)!)];
  const [dn, ...rest] = nestedGradients((rows, ...values) => run(rows!, ...values), inputs, dys);
  return { dn: dn!, gradients: names.map((name, i) => [name, rest[i]!]) };
}
