import * as tf from '@tensorflow/tfjs-core';
import { memoized } from '../common/objects.js';
import { activation } from './activation.js';
import { activationSamples } from './sample.js';
import { Sums } from './sums.js';
import type { Op, Reference, Scalars, Values, ValuesByName } from './types.js';

/** Whether an activation multiplies two matrices: `gate`, and `up`. */
export function isGated({ inputs }: Pick<Op, 'inputs'>): boolean {
  return inputs[0] === 'gate';
}

/**
 * The row of an activation's gated form, y = f(gate) · up, from the activation's own row. A gated activation of another
 * form is a row by `activation`, of the matrices gate and up, with a reference and a composition of its own.
 */
export function gated<Name extends string>(
  of: Op,
  row: Pick<Op<Name>, 'name' | 'kernelName' | 'label' | 'source'>,
): Op<Name> {
  return activation({
    ...row,
    matrices: ['gate', 'up'],
    parameters: of.parameters,
    scalars: of.scalars,
    torch: `${of.name}(${gatedArguments(of)}) * up`,
    reference: gatedReference(of.reference),
    composed: ([gate, up, ...parameters], scalars) =>
      tf.mul(of.composed([gate!, ...parameters], scalars)[0]!, up!),
  });
}

/** The arguments of the activation's own PyTorch function. */
function gatedArguments({ parameters, scalars }: Op): string {
  return ['gate', ...Object.keys(parameters), ...Object.keys(scalars).map((name) => `${name}=${name}`)].join(
    ', ',
  );
}

// dgate is f's gradient for dy · up, dup = dy · f(gate).
function gatedReference(of: Reference): Reference {
  const inner = ({ gate, up: _, ...parameters }: ValuesByName): ValuesByName => ({ x: gate!, ...parameters });
  return {
    forward(tensors, scalars) {
      const [value] = of.forward(inner(tensors), scalars);
      return [times(value!, tensors.up!.values)];
    },
    backward(tensors, [dy], scalars) {
      const { values: up } = tensors.up!;
      const upstream = dy!.map((g, i) => g * up[i]!);
      const [dgate, ...rest] = of.backward(inner(tensors), [upstream], scalars);
      const [value] = of.forward(inner(tensors), scalars);
      return [dgate!, times(value!, dy!), ...rest];
    },
  };
}

/** A function of one matrix, by the terms that its value and its derivative are the sums of; no terms where that is 0. */
export interface Factor {
  readonly value: (x: number, scalars: Scalars) => readonly number[];
  readonly slope: (x: number, scalars: Scalars) => readonly number[];
}

/** The reference of an element-wise y = f(gate) · v(up). */
export function productReference(f: Factor, v: Factor): Reference {
  const add = (sums: Sums, i: number, factors: readonly (readonly number[])[]): void => {
    if (factors.some((terms) => terms.length === 0)) return;
    const product = (of: (term: number) => number) =>
      factors.reduce((all, terms) => all * terms.reduce((sum, term) => sum + of(term), 0), 1);
    sums.add(
      i,
      product((term) => term),
      product(Math.abs),
    );
  };
  return {
    forward({ gate, up }, scalars) {
      const y = new Sums(gate!.values.length);
      for (const [i, x] of gate!.values.entries()) {
        add(y, i, [f.value(x, scalars), v.value(up!.values[i]!, scalars)]);
      }
      return [y];
    },
    backward({ gate, up }, [dy], scalars) {
      const [dgate, dup] = [new Sums(gate!.values.length), new Sums(gate!.values.length)];
      for (const [i, x] of gate!.values.entries()) {
        const [g, u] = [[dy![i]!], up!.values[i]!];
        add(dgate, i, [g, f.slope(x, scalars), v.value(u, scalars)]);
        add(dup, i, [g, f.value(x, scalars), v.slope(u, scalars)]);
      }
      return [dgate, dup];
    },
  };
}

function times({ value, terms }: Sums, factors: Float64Array): Sums {
  const product = new Sums(value.length);
  for (const [i, factor] of factors.entries()) {
    product.add(i, value[i]! * factor, terms[i]! * Math.abs(factor));
  }
  return product;
}

const packedOf = memoized(makePacked);

/** The row of a gated activation that takes gate and up packed in one tensor, [gate | up] on its last axis. */
export function packed<Name extends string>(of: Op<Name>): Op<Name> {
  return packedOf(of) as Op<Name>;
}

function makePacked(of: Op): Op {
  const inputs = ['packed', ...of.inputs.slice(2)];
  const op: Op = {
    ...of,
    kernelName: `${of.kernelName}Packed`,
    ...{ inputs, kept: inputs, gradients: inputs, packed: true },
    reference: {
      forward: (tensors, scalars) => of.reference.forward(unpacked(tensors), scalars),
      backward(tensors, upstream, scalars) {
        const [dgate, dup, ...rest] = of.reference.backward(unpacked(tensors), upstream, scalars);
        return [joined(dgate!, dup!, halfOf(tensors.packed!)), ...rest];
      },
    },
    composed: ([both, ...parameters], scalars) =>
      of.composed([...tf.split(both!, 2, -1), ...parameters], scalars),
    samples: () => activationSamples(op),
  };
  return op;
}

/** The length of gate's last axis. */
function halfOf({ shape }: Values): number {
  return shape.at(-1)! / 2;
}

function unpacked({ packed: both, ...parameters }: ValuesByName): ValuesByName {
  const cols = halfOf(both!);
  const half = (which: 0 | 1): Values => ({
    shape: [...both!.shape.slice(0, -1), cols],
    values: both!.values.filter((_, i) => Math.floor(i / cols) % 2 === which),
  });
  return { gate: half(0), up: half(1), ...parameters };
}

function joined(gate: Sums, up: Sums, cols: number): Sums {
  const sums = new Sums(2 * gate.value.length);
  for (const i of gate.value.keys()) {
    const at = i + Math.floor(i / cols) * cols;
    sums.add(at, gate.value[i]!, gate.terms[i]!);
    sums.add(at + cols, up.value[i]!, up.terms[i]!);
  }
  return sums;
}
