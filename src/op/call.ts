import * as tf from '@tensorflow/tfjs-core';
import { asIntegers, asTensor, type Input, invalid } from './check.js';
import { scalarsFrom } from './options.js';
import { runOp } from './run.js';
import type { Op } from './types.js';

/**
 * What the public function of an op does: makes tensors of its inputs, checks them, and runs the op.
 *
 * @param name the function, for errors
 * @param inputs by the function's names of them, in the order of the row's
 * @param options the row's scalars that are not the defaults, a choice by its text
 * @param wrong what is wrong with the shapes, if anything is
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, what is wrong, and as `scalarsFrom` does
 */
export function callOp<T extends tf.Tensor, Name extends string = string>(
  name: string,
  row: Op,
  inputs: Readonly<Record<Name, Input>>,
  options: object = {},
  wrong: (tensors: Readonly<Record<Name, tf.Tensor>>) => string | undefined = () => undefined,
): T {
  const scalars = scalarsFrom(name, row, options);
  return tf.tidy(name, () => {
    const entries = Object.entries<Input>(inputs).map(([key, value], i) => {
      const made = row.integers.includes(row.inputs[i]!) ? asIntegers : asTensor;
      return [key, made(name, key, value)] as const;
    });
    const tensors = Object.fromEntries(entries) as Record<Name, tf.Tensor>;
    const message = wrong(tensors);
    if (message !== undefined) throw invalid(name, message, tensors);
    return runOp<T>(row, Object.values(tensors), scalars);
  });
}
