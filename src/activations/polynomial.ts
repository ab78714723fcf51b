import * as tf from '@tensorflow/tfjs-core';
import { ascending } from './coefficients.js';
import type { Inner } from './inner.js';

/** The largest float. */
const MAX = (2 - 2 ** -23) * 2 ** 127;

/** What a composition is of: [x, weight, bias], and PReLU's slope behind them. */
type Inputs = readonly tf.Tensor[];

/** y = b + Σ a_i ρ(x)^i. */
export function typeOne({ bounded, factor, derivative }: Inner, inputs: Inputs): tf.Tensor {
  const value = (x: tf.Tensor, slope?: tf.Tensor) => {
    const f = factor(x, slope);
    return bounded ? f : tf.mul(x, f);
  };
  return differentiable(inputs, {
    forward: ([x, weight, bias, slope]) => polynomial(ascending(weight!), value(x!, slope), bias!),
    backward: ([x, weight, bias, slope], dy) => {
      const s = value(x!, slope);
      const ds = times(dy, horner(derived(ascending(weight!)), s));
      const dweight = powers(s, weight!.size).map((power) => tf.sum(share(dy, power)));
      const gradients = [
        tf.mul(ds, derivative(x!, slope)),
        descending(dweight),
        tf.reshape(tf.sum(dy), bias!.shape),
      ];
      if (slope === undefined) return gradients;
      return [...gradients, unbroadcast(share(ds, tf.minimum(x!, 0)), slope)];
    },
  });
}

/** y = b + Σ a_i ρ(x^i). */
export function typeTwo({ bounded, factor, derivative }: Inner, inputs: Inputs): tf.Tensor {
  return differentiable(inputs, {
    forward: ([x, weight, bias, slope]) => {
      const coefficients = ascending(weight!);
      const terms = powers(x!, weight!.size).map((u, i) => tf.mul(factor(u, slope), coefficients[i]!));
      return bounded ? tf.add(tf.addN(terms), tf.reshape(bias!, [])) : polynomial(terms, x!, bias!);
    },
    backward: ([x, weight, bias, slope], dy) => {
      const coefficients = ascending(weight!);
      const us = powers(x!, weight!.size);
      const slopes = derived(us.map((u, i) => tf.mul(derivative(u, slope), coefficients[i]!)));
      const dweight = us.map((u) => {
        const f = factor(u, slope);
        return tf.sum(share(dy, bounded ? f : tf.mul(u, f)));
      });
      const gradients = [
        times(dy, horner(slopes, x!)),
        descending(dweight),
        tf.reshape(tf.sum(dy), bias!.shape),
      ];
      if (slope === undefined) return gradients;
      // Each power's share below 0: x, where it is negative, times what is left of the power.
      const below = us.map((u, i) => tf.mul(tf.sub(1, tf.step(u)), coefficients[i]!));
      return [...gradients, unbroadcast(share(dy, tf.mul(horner(below, x!), x!)), slope)];
    },
  });
}

/** b + Σ a_i s^i, of a tensor that tfjs differentiates further. */
export function polynomialOf(s: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  const one = (u: tf.Tensor): tf.Tensor => tf.onesLike(u);
  return typeOne({ bounded: false, factor: one, derivative: one }, [s, weight, bias]);
}

/** Powers 1 to `order`; one that is no float saturates, for 0 times infinity is not a number. */
export function powers(x: tf.Tensor, order: number): tf.Tensor[] {
  const all = [x];
  while (all.length < order) all.push(saturated(tf.mul(all.at(-1)!, x)));
  return all;
}

/** A composition with a gradient by formula: what it saves is its inputs. */
function differentiable(
  inputs: Inputs,
  {
    forward,
    backward,
  }: {
    forward: (inputs: Inputs) => tf.Tensor;
    backward: (inputs: Inputs, dy: tf.Tensor) => tf.Tensor[];
  },
): tf.Tensor {
  const op = tf.customGrad((...args) => {
    const save = args.pop() as tf.GradSaveFunc;
    const tensors = args as tf.Tensor[];
    save(tensors);
    return {
      value: forward(tensors),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => backward(saved, dy),
    };
  });
  return op(...inputs);
}

/** c_1 + c_2 x + c_3 x² + .., of [c_1, c_2, c_3, ..]. */
function horner(coefficients: readonly tf.Tensor[], x: tf.Tensor): tf.Tensor {
  return coefficients.reduceRight((sum, c) => tf.add(tf.mul(sum, x), c));
}

/** b + c_1 x + c_2 x² + .., of [c_1, c_2, ..]. */
function polynomial(coefficients: readonly tf.Tensor[], x: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(horner(coefficients, x), x), tf.reshape(bias, []));
}

/** [c_1, 2 c_2, 3 c_3, ..]. */
function derived(coefficients: readonly tf.Tensor[]): tf.Tensor[] {
  return coefficients.map((c, i) => tf.mul(c, i + 1));
}

/** Scalars of powers 1, 2, .. as a weight: highest power first. */
function descending(scalars: readonly tf.Tensor[]): tf.Tensor {
  return tf.stack([...scalars].reverse());
}

/** t, where it is no float the largest of its sign. */
function saturated(t: tf.Tensor, limit: number = MAX): tf.Tensor {
  return tf.clipByValue(t, -limit, limit);
}

/** g t, and 0 where g is 0. */
function times(g: tf.Tensor, t: tf.Tensor): tf.Tensor {
  return tf.mul(g, saturated(t));
}

/** g t, element by element, to be summed: terms of which so many would be no float saturate, so that ∞ - ∞ is not met. */
function share(g: tf.Tensor, t: tf.Tensor): tf.Tensor {
  return saturated(times(saturated(g), t), MAX / Math.max(1, t.size));
}

/** The sum of a gradient over the axes along which `tensor` was broadcast. */
function unbroadcast(gradient: tf.Tensor, tensor: tf.Tensor): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(tensor.shape, gradient.shape);
  return tf.reshape(axes.length === 0 ? gradient : tf.sum(gradient, axes), tensor.shape);
}
