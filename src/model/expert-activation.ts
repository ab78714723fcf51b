import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runBackward, runForward } from '../op/run.js';
import type { Op } from '../op/types.js';
import { groupedpolynormgluOp, groupedpolynormOp } from '../transformer-ops/groupedpolynorm.js';
import { activationScalars } from './activation.js';
import type { ModelConfig } from './config.js';
import { activate } from './feed-forward.js';
import type { NetworkPass } from './forward-pass.js';
import { parameterAt } from './parameters.js';
import { node } from './tape-node.js';

/** The experts that have rows, in the order of their rows. */
export interface BusyExperts {
  /** The place of each one's parameters within the layer: `mlp.experts.3`. */
  readonly names: readonly string[];
  /** How many rows each has; 1 or more. */
  readonly sizes: readonly number[];
}

/** Runs every expert's activation. Projections are a list an expert: [gate, up], or of an ungated one [up]. */
type Way = (projected: readonly tf.Tensor[][], experts: BusyExperts, pass: NetworkPass) => tf.Tensor[];

/** The grouped form of an activation. */
const GROUPED: Readonly<Record<string, Op>> = {
  polynorm: groupedpolynormOp,
  polynormglu: groupedpolynormgluOp,
};

/**
 * The busy experts from which on one call for all is faster, though it copies their rows into one matrix and all weights
 * into another. On a CPU it is slower with 8, even with 32, and faster with 64: bench/results/mixture-cpu.json.
 */
const MANY = 48;

/** The activation of each expert's rows, where each expert has coefficients of its own. */
export const activateExperts: Way = (projected, experts, pass) =>
  (isGrouped(experts, pass.config) ? inOneCall : oneByOne)(projected, experts, pass);

/** Whether there are many experts, and a kernel for all of them. Composed of tf ops, a call each does less. */
function isGrouped({ names }: BusyExperts, { activation }: ModelConfig): boolean {
  const op = GROUPED[activation];
  return op !== undefined && names.length >= MANY && hasKernel(op.kernelName);
}

/** One call an expert. */
export const oneByOne: Way = (projected, { names }, pass) =>
  projected.map((list, i) => activate(list, pass, names[i]!));

/**
 * One call of grouped PolyNorm over all rows, which is one node of the tape. Values and gradients are those of
 * {@link oneByOne} but for a float's last bit: a kernel of another size rounds a product and a sum once where the other does
 * twice, and a GPU adds up a row in another order.
 */
export const inOneCall: Way = (projected, { names, sizes }, { config, layer, parameters, observer }) => {
  const op = GROUPED[config.activation]!;
  const scalars = activationScalars(config);
  const [weights, biases] = ['weight', 'bias'].map((name) =>
    names.map((expert) => parameterAt(parameters, `${expert}.activation.${name}`)),
  ) as [tf.Tensor[], tf.Tensor[]];
  return node(
    [...byInput(projected).flat(), ...weights, ...biases],
    () => {
      const rows = byInput(projected).map(joined);
      const coefficients = [tf.stack(weights), tf.stack(biases)];
      const given = [...rows, ...coefficients, tf.tensor1d(offsetsOf(sizes), 'int32'), tf.zeros([0])];
      const y = runForward(op, given, scalars)[0]!;
      observer?.('argument', rows[0]!, layer);
      observer?.('hidden', y, layer);
      return { outputs: pieces(y, sizes), saved: { given } };
    },
    ({ given }, dys) => {
      const gradients = runBackward(op, given, [joined(dys)], scalars);
      const [dweight, dbias] = gradients.splice(projected[0]!.length);
      return [
        ...gradients.flatMap((dx) => pieces(dx, sizes)),
        ...tf.unstack(dweight!),
        ...tf.unstack(dbias!),
      ];
    },
  );
};

/** Where each expert's rows begin, and the last one's end. */
function offsetsOf(sizes: readonly number[]): number[] {
  let end = 0;
  return [0, ...sizes.map((size) => (end += size))];
}

/** All experts' gates, and all their ups. */
export function byInput(lists: readonly tf.Tensor[][]): tf.Tensor[][] {
  return lists[0]!.map((_, i) => lists.map((list) => list[i]!));
}

/** The rows of each expert. */
export function pieces(x: tf.Tensor, sizes: readonly number[]): tf.Tensor[] {
  return sizes.length === 1 ? [x] : tf.split(x, [...sizes], 0);
}

/** All experts' rows. */
export function joined(rows: readonly tf.Tensor[]): tf.Tensor {
  return rows.length === 1 ? rows[0]! : tf.concat([...rows], 0);
}
