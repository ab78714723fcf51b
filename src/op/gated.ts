import * as tf from '@tensorflow/tfjs-core';
import { Sums } from './reference.js';
import type { FusedOp, Reference, ReferenceInputs } from './types.js';

/** The row of an activation's gated form, y = f(gate) · up, from the activation's own row. */
export function gatedOp<Name extends string>(of: FusedOp, name: Name, kernelName: string): FusedOp<Name> {
  return {
    name,
    kernelName,
    inputs: ['gate', 'up', ...of.inputs.slice(1)],
    scalars: of.scalars,
    reference: gatedReference(of),
    composed: ([gate, up, ...coefficients], scalars) =>
      tf.mul(of.composed([gate!, ...coefficients], scalars), up!),
  };
}

// dgate is f's gradient for dy · up, dup = dy · f(gate).
function gatedReference(of: FusedOp): Reference {
  const inner = (inputs: ReferenceInputs): ReferenceInputs => {
    const { gate, up: _, ...coefficients } = inputs.tensors;
    return { ...inputs, tensors: { x: gate!, ...coefficients } };
  };
  return {
    forward(inputs) {
      const value = of.reference.forward(inner(inputs));
      return times(value, inputs.tensors.up!);
    },
    backward(inputs, dy) {
      const { up } = inputs.tensors;
      const [dgate, ...rest] = of.reference.backward(
        inner(inputs),
        dy.map((g, i) => g * up![i]!),
      );
      return [dgate!, times(of.reference.forward(inner(inputs)), dy), ...rest];
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

/** The row of a gated activation that takes gate and up packed in one tensor, [gate | up] on its last axis. */
export function packedOp<Name extends string>(of: FusedOp<Name>): FusedOp<Name> {
  return {
    ...of,
    kernelName: `${of.kernelName}Packed`,
    inputs: ['packed', ...of.inputs.slice(2)],
    packed: true,
    reference: {
      forward: (inputs) => of.reference.forward(unpacked(inputs)),
      backward(inputs, dy) {
        const [dgate, dup, ...rest] = of.reference.backward(unpacked(inputs), dy);
        return [joined(dgate!, dup!, inputs.cols), ...rest];
      },
    },
    composed: ([packed, ...coefficients], scalars) =>
      of.composed([...tf.split(packed!, 2, -1), ...coefficients], scalars),
  };
}

function unpacked(inputs: ReferenceInputs): ReferenceInputs {
  const { packed, ...coefficients } = inputs.tensors;
  const half = (which: 0 | 1): Float64Array =>
    packed!.filter((_, i) => Math.floor(i / inputs.cols) % 2 === which);
  return { ...inputs, tensors: { gate: half(0), up: half(1), ...coefficients } };
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
