import type * as tf from '@tensorflow/tfjs-core';
import { type PolyNormOptions, polyNormScalars } from '../activations/polynorm.js';
import { activations, type FusedActivationName } from '../activations/table.js';
import { PRELU_SLOPE, type Variant, type VariantName, variants } from '../activations/variants.js';
import { PolycomError } from '../errors.js';
import { excerpt } from '../excerpt.js';
import { composedBackward, runOpBackward } from '../op/backward.js';
import { runComposed, runOp } from '../op/run.js';
import { scalarValues } from '../op/sample.js';
import type { FusedOp, Scalars } from '../op/types.js';
import type { ModelConfig } from './config.js';

/** What a model can have for its activation: a row of the table, fused where the backend has it, or a variant. */
export type Activation = FusedOp<FusedActivationName> | Variant;

/** The name of an activation that a model can have. */
export type ActivationName = FusedActivationName | VariantName;

/** What an activation may be told, for ablations. */
export interface ActivationOptions extends PolyNormOptions {
  /** The weights that training begins with, highest power first; `paper` by default: each 1 / order. */
  readonly init?: 'paper' | readonly number[];
}

/** The names of all activations that a model can have. */
export const activationNames: readonly ActivationName[] = [...activations, ...variants].map(
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
  const all: readonly Activation[] = [...activations, ...variants];
  const found = all.find((candidate) => candidate.name === name);
  if (found !== undefined) return found;
  throw new PolycomError(
    'INVALID_ARGUMENT',
    `activation is ${excerpt(name)}; expected one of ${activationNames.join(', ')}`,
  );
}

/**
 * The activation's row of the table.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a name that there is none of, a variant's too
 */
export function activationRow(name: string): FusedOp<FusedActivationName> {
  const row = activationOf(name);
  if (isFused(row)) return row;
  const names = activations.map((fused) => fused.name).join(', ');
  throw new PolycomError('INVALID_ARGUMENT', `activation ${name} has no kernels; expected one of ${names}`);
}

/** Whether it is a row of the table, with kernels, rather than a variant for ablations. */
export function isFused(activation: Activation): activation is FusedOp<FusedActivationName> {
  return 'kernelName' in activation;
}

/** Whether the activation multiplies two projections, `gate_proj` and `up_proj`. */
export function isGated({ inputs }: Activation): boolean {
  return inputs[0] === 'gate';
}

/** What is trained of an activation: a parameter's shape, and the values that it begins with. */
interface Coefficient {
  readonly shape: (config: ModelConfig) => number[];
  readonly first: (config: ModelConfig) => readonly number[];
}

/** The inputs of activations that are coefficients. */
const COEFFICIENTS: Readonly<Record<string, Coefficient>> = {
  weight: { shape: ({ order }) => [order], first: firstWeights },
  bias: { shape: () => [], first: () => [0] },
  slope: { shape: () => [], first: () => [PRELU_SLOPE] },
};

function firstWeights({ order, activationOptions: { init = 'paper' } = {} }: ModelConfig): readonly number[] {
  return init === 'paper' ? Array<number>(order).fill(1 / order) : init;
}

/** The names of the activation's trained coefficients, in the order of its inputs. */
export function coefficientsOf({ inputs }: Activation): string[] {
  return inputs.filter((name) => Object.hasOwn(COEFFICIENTS, name));
}

/** The shape of a coefficient. */
export function coefficientShape(name: string, config: ModelConfig): number[] {
  return COEFFICIENTS[name]!.shape(config);
}

/** The values that a coefficient begins with. */
export function firstCoefficients(name: string, config: ModelConfig): readonly number[] {
  return COEFFICIENTS[name]!.first(config);
}

/** Runs the activation of a model, differentiably. */
export function runActivation(config: ModelConfig, inputs: readonly tf.Tensor[]): tf.Tensor {
  const activation = activationOf(config.activation);
  const scalars = scalarsOf(activation, config);
  return isFused(activation)
    ? runOp(activation, inputs, scalars)
    : runComposed(activation.composed, inputs, scalars);
}

/** The gradients of a model's activation for its inputs, from that of its output, off any tape. */
export function runActivationBackward(
  config: ModelConfig,
  inputs: readonly tf.Tensor[],
  dy: tf.Tensor,
): tf.Tensor[] {
  const activation = activationOf(config.activation);
  const scalars = scalarsOf(activation, config);
  return isFused(activation)
    ? runOpBackward(activation, inputs, dy, scalars)
    : composedBackward(activation.composed, inputs, dy, scalars);
}

/** The activation's scalars: those of the options that it has a use of, the defaults of the others. */
function scalarsOf({ scalars }: Activation, { activationOptions = {} }: ModelConfig): Scalars {
  const { init: _, ...norm } = activationOptions;
  const given = polyNormScalars('activation', norm);
  return Object.fromEntries(scalars.map((name) => [name, given[name] ?? scalarValues(name)[0]!]));
}
