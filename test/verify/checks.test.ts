import { describe, expect, test } from 'vitest';
import { activations } from '../../src/activations/table.js';
import { expectedOf } from '../../src/fused/expected.js';
import { fusedOps } from '../../src/fused/table.js';
import type { OpSample, TransformerOp } from '../../src/fused/types.js';
import { rounded } from '../../src/native/dtype.js';
import { expected, gradientDtype } from '../../src/op/compare.js';
import type { Sums } from '../../src/op/reference.js';
import type { Sample } from '../../src/op/sample.js';
import type { FusedOp } from '../../src/op/types.js';
import { stepsOf } from '../../src/verify/checks.js';
import { transformerSteps } from '../../src/verify/transformer.js';
import type { CheckResult, Outputs, Runner, TransformerOutputs } from '../../src/verify/types.js';

const op = activations.find(({ name }) => name === 'polynorm')!;
const host = { backend: 'native', device: 'cpu' } as const;

/** A host that gives what the reference gives, rounded, once `meddle` has been at it. */
function runner(meddle: (outputs: Outputs, sample: Sample, call: number) => void = () => undefined): Runner {
  let calls = 0;
  const run = (of: FusedOp, sample: Sample): Outputs => {
    const { y, gradients } = expected(of, sample);
    const store = (values: Float64Array, dtype: Sample['dtype']) =>
      Float32Array.from(values, (value) => rounded(value, dtype));
    const outputs = {
      y: store(y.value, sample.dtype),
      gradients: of.inputs.map((name, i) => store(gradients[i]!.value, gradientDtype(name, sample))),
    };
    meddle(outputs, sample, ++calls);
    return outputs;
  };
  const dtypes = ['f32', 'f16', 'bf16'] as const;
  return {
    ...{ device: 'cpu', ops: activations, dtypes, run, runAgain: run, dispose: () => undefined },
    ...{ transformerOps: fusedOps, runTransformer },
  };
}

/** What the reference of a transformer's op gives, rounded. */
function runTransformer(of: TransformerOp, sample: OpSample): TransformerOutputs {
  const { outputs, gradients } = expectedOf(of, sample);
  const store = ({ value }: Sums): Float32Array => Float32Array.from(value);
  return { outputs: outputs.map(store), gradients: gradients.map(store) };
}

/** Makes one element of an array wrong. */
function spoil(
  values: Float32Array,
  i: number,
  by: (value: number) => number = (value) => value * 1.01,
): void {
  values[i] = by(values[i]!);
}

const toNaN = (): number => Number.NaN;

function failures(spoiled: Runner): CheckResult[] {
  return stepsOf(op, host, spoiled, 'full')
    .flatMap((step) => step.run())
    .filter(({ ok }) => !ok);
}

describe('the checks', () => {
  test.each(activations)('pass what is right, of $name', (each) => {
    const results = stepsOf(each, host, runner(), 'full').flatMap((step) => step.run());
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(new Set(results.map(({ kind }) => kind))).toEqual(
      new Set(['forward', 'backward', 'repeat', 'special']),
    );
    const widths = results.map(({ sample }) => Number(/×(\d+)/.exec(sample)?.[1]));
    expect(widths).toEqual(expect.arrayContaining([1, 7, 123, 8191, 8256]));
    const orders = results.filter(({ sample }) => /order/.test(sample)).length;
    expect(orders > 0).toBe(each.inputs.includes('weight'));
  });

  test.each<[string, (outputs: Outputs) => void, CheckResult['kind'], RegExp]>([
    ['y', ({ y }) => spoil(y, 0), 'forward', /^y is off by/],
    ['dx', ({ gradients }) => spoil(gradients[0]!, 0), 'backward', /^dx is off by/],
    ['dweight', ({ gradients }) => spoil(gradients[1]!, 2), 'backward', /^dweight is off by/],
    ['an element that is not written', ({ y }) => spoil(y, 0, toNaN), 'forward', /Infinity/],
  ])('notice a wrong %s in every size and dtype', (_, meddle, kind, message) => {
    const failed = failures(runner(meddle)).filter((result) => result.kind === kind);
    expect(new Set(failed.map(({ dtype }) => dtype))).toEqual(new Set(['f32', 'f16', 'bf16']));
    expect(
      failed.every((result) => message.test(result.message!)),
      failed[0]?.message,
    ).toBe(true);
  });

  test('notice other bits', () => {
    const flip = ({ gradients }: Outputs, { rows }: Sample, call: number) => {
      if (rows === 64 && call % 2 === 0) spoil(gradients[0]!, 5, (value) => value * (1 + 2 ** -22));
    };
    expect(failures(runner(flip)).map(({ kind }) => kind)).toContain('repeat');
  });

  test('notice NaN that spreads, stops or comes from nowhere', () => {
    const spread = failures(
      runner(({ y }, { tensors }) => {
        if (tensors.x!.some(Number.isNaN)) y.fill(Number.NaN);
      }),
    );
    expect(spread.map(({ kind, sample }) => [kind, sample])).toEqual([['special', '3×40 f32, one NaN']]);
    const stop = failures(runner(({ y }) => y.set(y.map((value) => (Number.isNaN(value) ? 0 : value)))));
    expect(stop.map(({ kind }) => kind)).toEqual(['special', 'special', 'special']);
    const huge = failures(
      runner(({ y }, { tensors }) => {
        if (Math.abs(tensors.x![0]!) > 1e18) spoil(y, 0, toNaN);
      }),
    );
    expect(huge.map(({ message }) => message)).toEqual(['finite input gave NaN']);
  });

  test('take an exception as a failure', () => {
    const failed = failures(
      runner(() => {
        throw new Error('broken\nin two lines');
      }),
    );
    expect(failed.length).toBeGreaterThan(20);
    expect(failed.every(({ message }) => message === 'broken')).toBe(true);
  });
});

describe("the checks of a transformer's op", () => {
  const all = (of: TransformerOp, spoiled: Runner = runner()) =>
    transformerSteps(of, host, spoiled, 'full').flatMap((step) => step.run());
  const wrong = (results: readonly CheckResult[]) => results.filter(({ ok }) => !ok);

  test.each(fusedOps.map((each) => ({ name: each.name, each })))(
    'pass what is right, of $name',
    ({ each }) => {
      const results = all(each);
      expect(wrong(results)).toEqual([]);
      expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['forward', 'backward', 'repeat']));
      expect(results.length).toBe(2 * each.samples().length + 1);
      expect(transformerSteps(each, host, runner(), 'smoke')).toHaveLength(1);
    },
  );

  test.each(['outputs', 'gradients'] as const)('notice one wrong element of %s', (of) => {
    for (const each of fusedOps) {
      const spoiled = (op: TransformerOp, sample: OpSample): TransformerOutputs => {
        const got = runTransformer(op, sample);
        const last = got[of].findLast((values) => values.length > 0);
        if (last !== undefined) last[last.length - 1] = Number.NaN;
        return got;
      };
      const failed = wrong(all(each, { ...runner(), runTransformer: spoiled }));
      expect(failed.length, each.name).toBeGreaterThan(0);
      for (const { kind, message } of failed) {
        expect(kind).toBe(of === 'outputs' ? 'forward' : 'backward');
        expect(message).toMatch(/^\w+ is off by Infinity/);
      }
    }
  });

  test('notice other bits, and take an exception as a failure', () => {
    const each = fusedOps.find(({ name }) => name === 'rmsnorm')!;
    let calls = 0;
    const moody = (op: TransformerOp, sample: OpSample): TransformerOutputs => {
      const got = runTransformer(op, sample);
      const first = got.outputs[0]!;
      if (++calls % 2 === 0 && first.length > 0) first[0] = first[0]! * (1 + 2 ** -22);
      return got;
    };
    const failed = wrong(all(each, { ...runner(), runTransformer: moody }));
    expect(failed.map(({ kind, message }) => [kind, message])).toEqual([
      ['repeat', 'a second run gave other bits'],
    ]);
    const broken = (): never => {
      throw new Error('broken\nin two lines');
    };
    const results = all(each, { ...runner(), runTransformer: broken });
    expect(results.every(({ ok, message }) => !ok && message === 'broken')).toBe(true);
  });
});
