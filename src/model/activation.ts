import type * as tf from '@tensorflow/tfjs-core';
import { activationRows, type ActivationName as FusedName } from '../activations/table.js';
import { type Variant, variants } from '../activations/variants.js';
import { invalidArgument } from '../common/errors.js';
import { excerpt } from '../common/excerpt.js';
import { sizeOf } from '../native/dtype.js';
import { scalarsFrom } from '../op/options.js';
import { runBackward, runOp } from '../op/run.js';
import { parameterShape } from '../op/sample.js';
import type { Op, Parameter, Scalars } from '../op/types.js';
import type { ActivationName, ModelConfig } from './config.js';

/** What a model can have for its activation: a row of the table, fused where the backend has it, or a variant. */
export type Activation = Op<FusedName> | Variant;

/** The names of all activations that a model can have. */
export const activationNames: readonly ActivationName[] = [...activationRows, ...variants].map(
  ({ name }) => name,
);

/** Whether a text from outside is the name of an activation. */
export function isActivationName(name: unknown): name is ActivationName {
  return (activationNames as readonly unknown[]).includes(name);
}

/**
 * The activation of a name.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a name that there is none of
 */
export function activationOf(name: string): Activation {
  const all: readonly Activation[] = [...activationRows, ...variants];
  const found = all.find((candidate) => candidate.name === name);
  if (found !== undefined) return found;
  throw invalidArgument(`activation is ${excerpt(name)}; expected one of ${activationNames.join(', ')}`);
}

/** The formula of a variant for ablations, for people; nothing for a fused activation, whose function's documentation has it. */
export function formulaOf(name: ActivationName): string | undefined {
  const activation = activationOf(name);
  return isFused(activation) ? undefined : activation.formula;
}

/** Whether it is a row of the table, with kernels, rather than a variant for ablations. */
export function isFused(activation: Activation): activation is Op<FusedName> {
  return 'kernelName' in activation;
}

/** The names of the activation's trained coefficients, in the order of its inputs. */
export function coefficientsOf({ parameters }: Activation): string[] {
  return Object.keys(parameters);
}

/** The shape of a coefficient. */
export function coefficientShape(name: string, config: ModelConfig): number[] {
  return parameterShape(coefficient(name, config), { order: config.order });
}

/** The values that a coefficient begins with. */
export function firstCoefficients(name: string, config: ModelConfig): readonly number[] {
  const { order, activationOptions: { init = 'paper' } = {} } = config;
  const { first } = coefficient(name, config);
  if (first === '1 / order') return init === 'paper' ? Array<number>(order).fill(1 / order) : init;
  const size = sizeOf(coefficientShape(name, config));
  return Array<number>(size).fill(Number(first));
}

function coefficient(name: string, { activation }: ModelConfig): Parameter {
  return activationOf(activation).parameters[name]!;
}

/** Runs the activation of a model, differentiably. */
export function runActivation(config: ModelConfig, inputs: readonly tf.Tensor[]): tf.Tensor {
  return runOp(activationOf(config.activation), inputs, activationScalars(config));
}

/** The gradients of a model's activation for its inputs, from that of its output, off any tape. */
export function runActivationBackward(
  config: ModelConfig,
  inputs: readonly tf.Tensor[],
  dy: tf.Tensor,
): tf.Tensor[] {
  return runBackward(activationOf(config.activation), inputs, [dy], activationScalars(config));
}

/** The scalars of the options, checked. */
export function activationScalars({ activation, activationOptions = {} }: ModelConfig): Scalars {
  const { init: _, ...options } = activationOptions;
  return scalarsFrom('activation', activationOf(activation), options);
}
