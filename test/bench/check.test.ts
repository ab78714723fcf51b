import { describe, expect, test } from 'vitest';
import { reluRow } from '../../src/activations/relu.js';
import { activationRows } from '../../src/activations/table.js';
import { type Checked, disagreement, FUSED_BOUND, OpCase } from '../../src/bench/check.js';
import { BenchData } from '../../src/bench/data.js';
import { stockOps } from '../../src/bench/stock.js';
import { rounded } from '../../src/native/dtype.js';
import { Sums } from '../../src/op/sums.js';

/** y = gate × up, out of two inputs. */
const gated: Checked = {
  name: 'gated',
  inputs: ['gate', 'up'],
  parameters: {},
  scalars: {},
  reference: {
    forward: ({ gate, up }) => [sums(gate!.values.map((value, i) => value * up!.values[i]!))],
    backward: ({ gate, up }, [dy]) => [
      sums(dy!.map((g, i) => g * up!.values[i]!)),
      sums(dy!.map((g, i) => g * gate!.values[i]!)),
    ],
  },
};

/** The sum of x's two halves: an output narrower than the input. */
const packed: Checked = {
  name: 'packed',
  inputs: ['x'],
  parameters: {},
  scalars: {},
  reference: {
    forward: ({ x }) => {
      const { shape, values } = x!;
      const [cols, half] = [shape[1]!, shape[1]! / 2];
      const at = (i: number) => Math.floor(i / half) * cols + (i % half);
      const { length } = values;
      return [
        sums(Float64Array.from({ length: length / 2 }, (_, i) => values[at(i)]! + values[at(i) + half]!)),
      ];
    },
    backward: ({ x }, [dy]) => [sums(x!.values.map((_, i) => dy![Math.floor(i / 2)]!))],
  },
};

function sums(values: Float64Array): Sums {
  const result = new Sums(values.length);
  for (const [i, value] of values.entries()) result.add(i, value);
  return result;
}

describe('the data', () => {
  test('repeats after a divisor of the rows, and is the same again', () => {
    const data = new BenchData({ rows: 24, cols: 10 });
    expect(data.period).toBe(12);
    const x = data.input(reluRow, 'x');
    expect(x.shape).toEqual([24, 10]);
    expect(x.data.slice(120)).toEqual(x.data.slice(0, 120));
    expect(new BenchData({ rows: 24, cols: 10 }).input(reluRow, 'x').data).toEqual(x.data);
    expect(data.matrix('dy', 10).data).not.toEqual(x.data);
    const mean = Array.from(x.data).reduce((sum, value) => sum + value, 0) / x.data.length;
    expect(Math.abs(mean)).toBeLessThan(0.5);
  });

  test.each([
    [{ rows: 1, cols: 5 }, 1],
    [{ rows: 17, cols: 5 }, 1],
    [{ rows: 4096, cols: 8256 }, 8],
    [{ rows: 3, cols: 1 << 20 }, 1],
  ])('of %o repeats after %d rows', (shape, period) => {
    expect(new BenchData(shape).period).toBe(period);
  });
});

describe('an op at a shape', () => {
  test('takes its inputs from its row', () => {
    const opCase = new OpCase(gated, new BenchData({ rows: 4, cols: 6 }));
    expect(opCase.inputs.map(({ shape }) => shape)).toEqual([
      [4, 6],
      [4, 6],
    ]);
    expect(opCase.inputs[0]!.data).not.toEqual(opCase.inputs[1]!.data);
    expect(opCase.expected('backward').map(({ shape }) => shape)).toEqual([
      [4, 6],
      [4, 6],
    ]);
    const matrix = 4 * 6 * 4;
    expect(opCase.bytes('forward')).toBe(3 * matrix);
    expect(opCase.bytes('backward')).toBe(5 * matrix);
    expect(opCase.bytes('forward_backward')).toBe(8 * matrix);
  });

  test('may give an output narrower than its input', () => {
    const opCase = new OpCase(packed, new BenchData({ rows: 32, cols: 6 }, 'bf16'));
    expect(opCase.dy).toMatchObject({ shape: [32, 3], dtype: 'bf16' });
    expect(opCase.expected('forward')[0]).toMatchObject({ shape: [32, 3], dtype: 'bf16' });
    expect(opCase.expected('backward')[0]!.shape).toEqual([32, 6]);
    expect(opCase.bytes('forward')).toBe(32 * (6 + 3) * 2);
  });

  test.each([...activationRows, ...stockOps])('$name: one period says what the whole gives', (op) => {
    const data = new BenchData({ rows: 48, cols: 7 });
    const opCase = new OpCase(op, data);
    const tensors = Object.fromEntries(
      op.inputs.map((name) => {
        const { shape, data: values } = data.input(op, name);
        return [name, { shape, values: Float64Array.from(values) }];
      }),
    );
    const whole = [
      ...op.reference.forward(tensors, opCase.scalars),
      ...op.reference.backward(tensors, [Float64Array.from(opCase.dy.data)], opCase.scalars),
    ];
    const expected = [...opCase.expected('forward'), ...opCase.expected('forward_backward')];
    expect(expected).toHaveLength(whole.length);
    for (const [i, { value }] of whole.entries()) {
      expect(disagreement(Float32Array.from(value), expected[i]!, 1e-7)).toBeUndefined();
    }
  });
});

describe('disagreement', () => {
  const expected = { shape: [2, 2], dtype: 'f32', sums: sums(Float64Array.of(1, 2)) } as const;

  test('sees one wrong element among right ones, in any period', () => {
    expect(disagreement(Float32Array.of(1, 2, 1, 2), expected, FUSED_BOUND)).toBeUndefined();
    expect(disagreement(Float32Array.of(1, 2, 1, 2.001), expected, FUSED_BOUND)).toMatch(/is off by 3\.2e-4/);
    expect(disagreement(Float32Array.of(1, Number.NaN, 1, 2), expected, FUSED_BOUND)).toMatch(/is off/);
    expect(disagreement(Float32Array.of(1, 2), expected, FUSED_BOUND)).toBe('has 2 elements; expected 4');
  });

  test('allows 16-bit storage its rounding, and little more', () => {
    const third = { shape: [2, 2], dtype: 'bf16', sums: sums(Float64Array.of(1 / 3, 1.1)) } as const;
    const [a, b] = [rounded(1 / 3, 'bf16'), rounded(1.1, 'bf16')];
    expect(disagreement(Float32Array.of(a, b, a, b), third, FUSED_BOUND)).toBeUndefined();
    expect(disagreement(Float32Array.of(a, b, a, b + 2 ** -7), third, FUSED_BOUND)).toMatch(/is off/);
  });

  test('of zeros with zeros is none', () => {
    const zeros = { shape: [1, 2], dtype: 'f32', sums: new Sums(2) } as const;
    expect(disagreement(new Float32Array(2), zeros, FUSED_BOUND)).toBeUndefined();
    expect(disagreement(Float32Array.of(0, 1), zeros, FUSED_BOUND)).toMatch(/is off/);
  });
});
