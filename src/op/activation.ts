import type * as tf from '@tensorflow/tfjs-core';
import { activationSamples } from './sample.js';
import { Sums } from './sums.js';
import type { ComposedOp, Op, Reference, Scalars } from './types.js';

/** A row of an activation without what all of them have in common. */
export interface ActivationRow<Name extends string>
  extends Pick<Op<Name>, 'name' | 'kernelName' | 'label' | 'source' | 'reference'>,
    Partial<Pick<Op, 'parameters' | 'scalars' | 'together'>>,
    Required<Pick<Op, 'torch'>> {
  /** The inputs of the output's shape: `['x']` by default, `['gate', 'up']` of a gated activation. */
  readonly matrices?: readonly string[];
  /** y out of tf ops, from the matrices and the parameters. */
  readonly composed: (inputs: readonly tf.Tensor[], scalars: Scalars) => tf.Tensor;
}

/** The row of an activation: one output y, which matrices and parameters all have a gradient of. */
export function activation<Name extends string>(row: ActivationRow<Name>): Op<Name> {
  const { kernelName, source, torch, reference, together = [] } = row;
  const op: Op<Name> = {
    ...composedActivation(row),
    ...{ kernelName, source, torch, reference, together },
    storage: 'any',
    samples: () => activationSamples(op),
  };
  return op;
}

/** An activation without kernels. */
export function composedActivation<Name extends string>(
  row: Omit<ActivationRow<Name>, 'kernelName' | 'source' | 'torch' | 'reference' | 'together'>,
): ComposedOp<Name> {
  const { name, label, matrices = ['x'], parameters = {}, scalars = {}, composed } = row;
  const inputs = [...matrices, ...Object.keys(parameters)];
  return {
    ...{ name, label, inputs, integers: [], outputs: ['y'], differentiable: ['y'] },
    ...{ kept: inputs, gradients: inputs, parameters, scalars },
    composed: (given, all) => [composed(given, all)],
  };
}

/**
 * The reference of an element-wise activation without parameters: y = value(x), dx = dy · slope(x). `slope` gives the
 * terms that it is the sum of, since those may cancel; no terms where dx is 0 whatever dy is.
 */
export function elementwise(
  value: (x: number, scalars: Scalars) => number,
  slope: (x: number, scalars: Scalars) => readonly number[],
): Reference {
  return {
    forward({ x }, scalars) {
      const y = new Sums(x!.values.length);
      for (const [j, xj] of x!.values.entries()) y.add(j, value(xj, scalars));
      return [y];
    },
    backward({ x }, [dy], scalars) {
      const dx = new Sums(x!.values.length);
      for (const [j, xj] of x!.values.entries()) {
        const terms = slope(xj, scalars);
        if (terms.length === 0) continue;
        const sum = terms.reduce((all, term) => all + term, 0);
        const size = terms.reduce((all, term) => all + Math.abs(term), 0);
        dx.add(j, dy![j]! * sum, Math.abs(dy![j]!) * size);
      }
      return [dx];
    },
  };
}
