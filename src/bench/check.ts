import { ITEM_BYTES, rounded, type Stored, sizeOf } from '../native/dtype.js';
import type { Dtype } from '../native/types.js';
import { BOUND, ROUNDING } from '../op/compare.js';
import type { Sums } from '../op/reference.js';
import type { FusedOp } from '../op/types.js';
import type { BenchData, Values } from './data.js';
import type { BenchPass } from './types.js';

/** How far a kernel's result may lie from the f64 reference, as a share of the norm of the absolute terms. */
export const FUSED_BOUND: number = BOUND;
/** The same for a composition of f32 ops, each of which rounds. */
export const COMPOSED_BOUND = 1e-4;

/** What the benchmark needs of an op to give it inputs and to check it. */
export type Checked = Pick<FusedOp, 'name' | 'inputs' | 'scalars' | 'reference'>;

/** What an output should be. */
export interface Expected {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** One period of a matrix, or all of a coefficient's gradient. */
  readonly sums: Sums;
}

/** An op at a shape: its tensors, as its row in the table names them, and what should come of them. */
export class OpCase {
  readonly op: Checked;
  readonly data: BenchData;
  readonly #expected = new Map<'forward' | 'backward', Expected[]>();

  constructor(op: Checked, data: BenchData) {
    this.op = op;
    this.data = data;
  }

  /** In the order of the op. */
  get inputs(): Values[] {
    return this.op.inputs.map((name) => this.data.input(name));
  }

  /** The gradient of the output, which may be narrower than the input. */
  get dy(): Values {
    return this.data.matrix('dy', this.#outputCols());
  }

  get scalars(): Record<string, number> {
    return this.data.scalars(this.op.scalars);
  }

  /** What a pass gives: y; or, if it has a backward, the gradient of every input. */
  expected(pass: Exclude<BenchPass, 'copy'>): readonly Expected[] {
    const direction = pass === 'forward' ? 'forward' : 'backward';
    let expected = this.#expected.get(direction);
    if (expected === undefined) {
      expected = direction === 'forward' ? this.#forward() : this.#backward();
      this.#expected.set(direction, expected);
    }
    return expected;
  }

  /** The bytes that a pass cannot avoid moving: each of its inputs and outputs once. */
  bytes(pass: Exclude<BenchPass, 'copy'>): number {
    const inputs = this.inputs.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
    const y = bytesOf(this.dy);
    return { forward: inputs + y, backward: 2 * inputs + y, forward_backward: 3 * inputs + 2 * y }[pass];
  }

  #forward(): Expected[] {
    const { data, op } = this;
    const sums = op.reference.forward(this.#reference());
    const { rows } = data.shape;
    return [{ shape: [rows, sums.value.length / data.period], dtype: data.dtype, sums }];
  }

  #backward(): Expected[] {
    const { data, op } = this;
    const gradients = op.reference.backward(this.#reference(), data.wide(this.dy));
    return gradients.map((sums, i) => {
      const { shape, dtype } = this.inputs[i]!;
      if (!data.isMatrix(op.inputs[i]!)) scale(sums, data.shape.rows / data.period);
      return { shape, dtype, sums };
    });
  }

  #reference() {
    const { data, op } = this;
    const tensors = Object.fromEntries(op.inputs.map((name) => [name, data.wide(data.input(name))]));
    return { cols: data.shape.cols, scalars: this.scalars, tensors };
  }

  #outputCols(): number {
    return this.expected('forward')[0]!.shape[1]!;
  }
}

/** The bytes of a tensor's elements. */
export function bytesOf({ shape, dtype }: { shape: readonly number[]; dtype: Dtype }): number {
  return sizeOf(shape) * ITEM_BYTES[dtype];
}

/** What is wrong with an output, given as floats, if anything is. */
export function disagreement(
  output: Stored,
  { shape, dtype, sums }: Expected,
  bound: number,
): string | undefined {
  const { value, terms } = sums;
  const length = sizeOf(shape);
  if (output.length !== length) return `has ${output.length} elements; expected ${length}`;
  let [error, ideal, squares] = [0, 0, 0];
  for (let from = 0; from < length; from += value.length) {
    for (let i = 0; i < value.length; ++i) error += (output[from + i]! - value[i]!) ** 2;
  }
  const periods = length / value.length;
  for (const [i, expected] of value.entries()) {
    if (dtype !== 'f32') ideal += periods * (rounded(expected, dtype) - expected) ** 2;
    squares += periods * terms[i]! ** 2;
  }
  const [distance, norm] = [Math.sqrt(error), Math.sqrt(squares)];
  if (distance <= bound * norm + ROUNDING * Math.sqrt(ideal)) return undefined;
  return `is off by ${(distance / norm).toExponential(1)} of its terms' norm`;
}

function scale({ value, terms }: Sums, factor: number): void {
  for (let i = 0; i < value.length; ++i) {
    value[i]! *= factor;
    terms[i]! *= factor;
  }
}
