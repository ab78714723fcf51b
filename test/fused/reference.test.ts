import { describe, expect, test } from 'vitest';
import { scalarsOf, upstreamFor, valuesOf } from '../../src/fused/expected.js';
import { fusedOps } from '../../src/fused/table.js';

const STEP = 1e-5;

/** How many elements of an input are tried: each costs two forward passes. */
const TRIED = 40;

describe.each(fusedOps)('the reference of $name', (op) => {
  const small = op.samples().filter(({ title, tensors }) => {
    const size = Object.values(tensors).reduce((sum, { values }) => sum + values.length, 0);
    return size > 0 && size < 3000 && !/values of|huge|NaN/.test(title);
  });

  test.each(small)('has the gradients that differences give: $title', (sample) => {
    const [values, scalars] = [valuesOf(sample), scalarsOf(op, sample)];
    const outputs = op.reference.forward(values, scalars);
    const upstream = op.differentiable.map((_, i) =>
      Float64Array.from(upstreamFor(i, outputs[i]!.value.length)),
    );
    const gradients = op.reference.backward(values, upstream, scalars);
    const loss = (): number => {
      const outputs = op.reference.forward(values, scalars);
      let sum = 0;
      for (const [k, dy] of upstream.entries()) {
        for (const [i, g] of dy.entries()) sum += g * outputs[k]!.value[i]!;
      }
      return sum;
    };
    for (const [k, name] of op.gradients.entries()) {
      const x = values[name]!.values;
      for (let i = 0; i < x.length; i += Math.ceil(x.length / TRIED)) {
        const before = x[i]!;
        x[i] = before + STEP;
        const above = loss();
        x[i] = before - STEP;
        const below = loss();
        x[i] = before;
        const slope = (above - below) / (2 * STEP);
        const { value, terms } = gradients[k]!;
        expect(Math.abs(value[i]! - slope), `d${name}[${i}]`).toBeLessThan(1e-4 * (1 + terms[i]!));
      }
    }
  });
});
