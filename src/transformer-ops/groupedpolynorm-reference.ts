import { polynormRow } from '../activations/polynorm.js';
import { Sums } from '../op/sums.js';
import type { Scalars, Values, ValuesByName } from '../op/types.js';

// y = output_scale · PolyNorm(v) · up, v = x + shift between ±input_clamp, of the coefficients of the row's group.
export function groupedForward(tensors: ValuesByName, scalars: Scalars): Sums {
  const y = new Sums(tensors.x!.values.length);
  for (const { at, v, up, coefficients } of rowsOf(tensors, scalars)) {
    const [row] = polynormRow.reference.forward({ x: rowOf(v), ...coefficients }, scalars);
    for (const [c, value] of row!.value.entries()) {
      const factor = scalars.output_scale! * up(c);
      y.add(at + c, factor * value, Math.abs(factor) * row!.terms[c]!);
    }
  }
  return y;
}

/** The gradients of x, of up if there is one, of weight, bias and shift. */
export function groupedBackward(tensors: ValuesByName, dy: Float64Array, scalars: Scalars): Sums[] {
  const { x, weight, bias, shift } = tensors;
  const [dx, dup] = [new Sums(x!.values.length), new Sums(x!.values.length)];
  const [dweight, dbias] = [new Sums(weight!.values.length), new Sums(bias!.values.length)];
  const dshift = new Sums(shift!.values.length);
  const scale = scalars.output_scale!;
  const order = weight!.shape[1]!;
  for (const { at, group, v, inside, up, coefficients } of rowsOf(tensors, scalars)) {
    const inputs = { x: rowOf(v), ...coefficients };
    const upstream = v.map((_, c) => scale * dy[at + c]! * up(c));
    const [dv, da, db] = polynormRow.reference.backward(inputs, [upstream], scalars);
    const [y] = polynormRow.reference.forward(inputs, scalars);
    for (const c of v.keys()) {
      const factor = scale * dy[at + c]!;
      dup.add(at + c, factor * y!.value[c]!, Math.abs(factor) * y!.terms[c]!);
      if (!inside(c)) continue;
      dx.add(at + c, dv!.value[c]!, dv!.terms[c]!);
      if (shift!.values.length > 0) dshift.add(c, dv!.value[c]!, dv!.terms[c]!);
    }
    for (let p = 0; p < order; ++p) dweight.add(group * order + p, da!.value[p]!, da!.terms[p]!);
    if (isInside(bias!.values[group]!, scalars.bias_clamp!)) dbias.add(group, db!.value[0]!, db!.terms[0]!);
  }
  return [dx, ...(tensors.up === undefined ? [] : [dup]), dweight, dbias, dshift];
}

/** Each row that belongs to a group: where it begins, what is normalised of it, and its group's coefficients. */
function* rowsOf({ x, up, weight, bias, offsets, shift }: ValuesByName, scalars: Scalars) {
  const cols = x!.shape.at(-1)!;
  const order = weight!.shape[1]!;
  const rows = cols === 0 ? 0 : x!.values.length / cols;
  for (let r = 0; r < rows; ++r) {
    const group = groupOf(r, offsets!.values);
    if (group === undefined) continue;
    const at = r * cols;
    const shifted = x!.values
      .slice(at, at + cols)
      .map((value, c) => value + (shift!.values.length === 0 ? 0 : shift!.values[c]!));
    yield {
      at,
      group,
      v: shifted.map((value) => clamped(value, scalars.input_clamp!)),
      inside: (c: number) => isInside(shifted[c]!, scalars.input_clamp!),
      up: (c: number) => (up === undefined ? 1 : up.values[at + c]!),
      coefficients: {
        weight: rowOf(weight!.values.slice(group * order, (group + 1) * order)),
        bias: { shape: [], values: Float64Array.of(clamped(bias!.values[group]!, scalars.bias_clamp!)) },
      },
    };
  }
}

function rowOf(values: Float64Array): Values {
  return { shape: [values.length], values };
}

function groupOf(row: number, offsets: Float64Array): number | undefined {
  if (offsets.length === 0) return 0;
  const group = offsets.findLastIndex((offset) => offset <= row);
  return group >= 0 && group < offsets.length - 1 ? group : undefined;
}

function isInside(value: number, clamp: number): boolean {
  return clamp === 0 || !(Math.abs(value) > clamp);
}

function clamped(value: number, clamp: number): number {
  return isInside(value, clamp) ? value : Math.sign(value) * clamp;
}
