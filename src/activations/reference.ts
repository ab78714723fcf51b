import { invalidArgument } from '../common/errors.js';
import { type Op, scalarsOf, type ValuesByName } from '../op/types.js';
import { type ActivationName, activationRows } from './table.js';

/** An activation in double precision, in plain JavaScript: slow, and the measure of every kernel of it. */
export interface ActivationReference {
  /** Its matrices, `x`, or `gate` and `up`; then its learned coefficients. */
  readonly inputs: readonly string[];
  /**
   * @param tensors each input by its name: matrices [rows, cols] row-major, and coefficients
   * @param cols the length of a row
   * @returns y, [rows, cols]
   */
  forward(tensors: Readonly<Record<string, Float64Array>>, cols: number): Float64Array;
  /**
   * @param dy the gradient of y, [rows, cols]
   * @returns the gradient of each input by its name
   */
  backward(
    tensors: Readonly<Record<string, Float64Array>>,
    cols: number,
    dy: Float64Array,
  ): Record<string, Float64Array>;
}

/**
 * The row of a name.
 *
 * @param op the public function, for errors
 * @throws {PolycomError} `INVALID_ARGUMENT` for a name that no fused activation has
 */
export function rowNamed(name: string, op?: string): Op<ActivationName> {
  const row = activationRows.find((candidate) => candidate.name === name);
  if (row !== undefined) return row;
  const names = activationRows.map((candidate) => candidate.name).join(', ');
  throw invalidArgument(`activation is '${name}'; expected one of ${names}`, { op });
}

/**
 * The reference of an activation.
 *
 * @param name one lowercase word, such as `polynorm`
 * @param scalars instead of the op's defaults, such as `{ epsilon: 1e-5 }`
 * @throws {PolycomError} `INVALID_ARGUMENT` for a name that no fused activation has
 */
export function referenceOf(
  name: string,
  scalars: Readonly<Record<string, number>> = {},
): ActivationReference {
  const row = rowNamed(name);
  const all = scalarsOf(row, scalars);
  const shaped = (tensors: Readonly<Record<string, Float64Array>>, cols: number): ValuesByName =>
    Object.fromEntries(
      Object.entries(tensors).map(([input, values]) => {
        const learned = row.parameters[input] !== undefined;
        return [input, { shape: learned ? [values.length] : [values.length / cols, cols], values }];
      }),
    );
  return {
    inputs: row.inputs,
    forward: (tensors, cols) => row.reference.forward(shaped(tensors, cols), all)[0]!.value,
    backward: (tensors, cols, dy) => {
      const sums = row.reference.backward(shaped(tensors, cols), [dy], all);
      return Object.fromEntries(row.inputs.map((input, i) => [input, sums[i]!.value]));
    },
  };
}
