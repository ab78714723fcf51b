import { ITEM_BYTES, rounded, type Stored, sizeOf } from '../native/dtype.js';
import type { Dtype } from '../native/types.js';
import { BOUND, ROUNDING } from '../op/compare.js';
import type { Sums } from '../op/sums.js';
import { type Op, type Scalars, scalarsOf, type ValuesByName } from '../op/types.js';
import type { BenchData, BenchTensor } from './data.js';
import type { OpPass } from './types.js';

/** What joins the traffic of two passes, one after the other. */
const THEN = ' + ';

/** The traffic of each pass that a row's is of. */
export function passesOfTraffic(traffic: string | undefined): string[] {
  return traffic?.split(THEN) ?? [];
}

/** How far a kernel's result may lie from the f64 reference, as a share of the norm of the absolute terms. */
export const FUSED_BOUND: number = BOUND;
/** The same for a composition of f32 ops, each of which rounds. */
export const COMPOSED_BOUND = 1e-4;

/** What the benchmark needs of an op to give it inputs and to check it. */
export type Checked = Pick<Op, 'name' | 'inputs' | 'parameters' | 'scalars' | 'packed' | 'reference'>;

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
  get inputs(): BenchTensor[] {
    return this.op.inputs.map((name) => this.data.input(this.op, name));
  }

  /** The gradient of the output, which may be narrower than the input. */
  get dy(): BenchTensor {
    return this.data.matrix('dy', this.#outputCols());
  }

  get scalars(): Scalars {
    return scalarsOf(this.op);
  }

  /** What a pass gives: y; or, if it has a backward, the gradient of every input. */
  expected(pass: OpPass): readonly Expected[] {
    const direction = pass === 'forward' ? 'forward' : 'backward';
    let expected = this.#expected.get(direction);
    if (expected === undefined) {
      expected = direction === 'forward' ? this.#forward() : this.#backward();
      this.#expected.set(direction, expected);
    }
    return expected;
  }

  /** The bytes that a pass cannot avoid moving: each of its inputs and outputs once. */
  bytes(pass: OpPass): number {
    const inputs = this.inputs.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
    const y = bytesOf(this.dy);
    return { forward: inputs + y, backward: 2 * inputs + y, forward_backward: 3 * inputs + 2 * y }[pass];
  }

  /** The matrices that a pass reads and writes, as a row's `traffic` has them. */
  traffic(pass: OpPass): string {
    const matrix = bytesOf({ shape: [this.data.shape.rows, this.data.shape.cols], dtype: this.data.dtype });
    const inputs = this.inputs.filter((_, i) => this.op.parameters[this.op.inputs[i]!] === undefined);
    const [read, y] = [
      inputs.reduce((sum, tensor) => sum + bytesOf(tensor), 0) / matrix,
      bytesOf(this.dy) / matrix,
    ];
    const [forward, backward] = [`${read}:${y}`, `${read + y}:${read}`];
    return { forward, backward, forward_backward: [forward, backward].join(THEN) }[pass];
  }

  #forward(): Expected[] {
    const { data, op } = this;
    const sums = op.reference.forward(this.#wide(), this.scalars)[0]!;
    const { rows } = data.shape;
    return [{ shape: [rows, sums.value.length / data.period], dtype: data.dtype, sums }];
  }

  #backward(): Expected[] {
    const { data, op } = this;
    const gradients = op.reference.backward(this.#wide(), [data.wide(this.dy).values], this.scalars);
    return gradients.map((sums, i) => {
      const { shape, dtype } = this.inputs[i]!;
      if (op.parameters[op.inputs[i]!] !== undefined) scale(sums, data.shape.rows / data.period);
      return { shape, dtype, sums };
    });
  }

  #wide(): ValuesByName {
    const { data, inputs, op } = this;
    return Object.fromEntries(op.inputs.map((name, i) => [name, data.wide(inputs[i]!)]));
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
