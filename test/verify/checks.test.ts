import { describe, expect, test } from 'vitest';
import { activationRows, activations } from '../../src/activations/table.js';
import { rounded } from '../../src/native/dtype.js';
import type { Dtype } from '../../src/native/types.js';
import { expected } from '../../src/op/compare.js';
import { dtypeOf, type Op, type Sample } from '../../src/op/types.js';
import { opRows } from '../../src/ops.js';
import { transformerOps } from '../../src/transformer-ops/table.js';
import { stepsOf } from '../../src/verify/checks.js';
import type { CheckResult, Outputs, Runner } from '../../src/verify/types.js';

const op = activations.polynorm;
const others = Object.values(transformerOps);
const host = { backend: 'native', device: 'cpu' } as const;

/** A host that gives what the reference gives, rounded, once `meddle` has been at it. */
function runner(meddle: (outputs: Outputs, sample: Sample, call: number) => void = () => undefined): Runner {
  let calls = 0;
  const run = (of: Op, sample: Sample): Outputs => {
    const { outputs, gradients } = expected(of, sample);
    const store = (values: Float64Array, as: Dtype) =>
      Float32Array.from(values, (value) => rounded(value, as));
    const given = {
      outputs: of.outputs.map((name, i) => store(outputs[i]!.value, dtypeOf(of, name, sample))),
      gradients: of.gradients.map((name, i) => store(gradients[i]!.value, dtypeOf(of, name, sample))),
    };
    meddle(given, sample, ++calls);
    return given;
  };
  const dtypes = ['f32', 'f16', 'bf16'] as const;
  return { device: 'cpu', ops: opRows, dtypes, run, runAgain: run, dispose: () => undefined };
}

/** Makes one element of an array wrong. */
function spoil(
  values: Float32Array,
  i: number,
  by: (value: number) => number = (value) => value * 1.01,
): void {
  values[i] = by(values[i]!);
}

/** Where the largest value is: of a small one, what rounding to 16 bits may do hides a hundredth. */
function largest(values: Float32Array): number {
  return values.reduce((best, value, i) => (Math.abs(value) > Math.abs(values[best]!) ? i : best), 0);
}

const toNaN = (): number => Number.NaN;

function failures(spoiled: Runner): CheckResult[] {
  return stepsOf(op, host, spoiled, 'full')
    .flatMap((step) => step.run())
    .filter(({ ok }) => !ok);
}

describe('the checks', () => {
  test.each(activationRows)('pass what is right, of $name', (each) => {
    const results = stepsOf(each, host, runner(), 'full').flatMap((step) => step.run());
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(new Set(results.map(({ kind }) => kind))).toEqual(
      new Set(['forward', 'backward', 'repeat', 'special']),
    );
    const widths = results.map(({ sample }) => Number(/×(\d+)/.exec(sample)?.[1]));
    expect(widths).toEqual(expect.arrayContaining([1, 7, 123, 8191, 8256]));
    const orders = results.filter(({ sample }) => /order/.test(sample)).length;
    expect(orders > 0).toBe('weight' in each.parameters);
  });

  test.each<[string, (outputs: Outputs) => void, CheckResult['kind'], RegExp]>([
    ['y', ({ outputs }) => spoil(outputs[0]!, largest(outputs[0]!)), 'forward', /^y is off by/],
    ['dx', ({ gradients }) => spoil(gradients[0]!, largest(gradients[0]!)), 'backward', /^dx is off by/],
    ['dweight', ({ gradients }) => spoil(gradients[1]!, 2), 'backward', /^dweight is off by/],
    ['an element that is not written', ({ outputs }) => spoil(outputs[0]!, 0, toNaN), 'forward', /Infinity/],
  ])('notice a wrong %s in every size and dtype', (_, meddle, kind, message) => {
    const failed = failures(runner(meddle)).filter((result) => result.kind === kind);
    expect(new Set(failed.map(({ dtype }) => dtype))).toEqual(new Set(['f32', 'f16', 'bf16']));
    expect(
      failed.every((result) => message.test(result.message!)),
      failed[0]?.message,
    ).toBe(true);
  });

  test('notice other bits', () => {
    const flip = ({ gradients }: Outputs, { tensors }: Sample, call: number) => {
      if (tensors.x!.shape[0] === 64 && call % 2 === 0)
        spoil(gradients[0]!, 5, (value) => value * (1 + 2 ** -22));
    };
    expect(failures(runner(flip)).map(({ kind }) => kind)).toContain('repeat');
  });

  test('notice NaN that spreads, stops or comes from nowhere', () => {
    const spread = failures(
      runner(({ outputs: [y] }, { tensors }) => {
        if (tensors.x!.values.some(Number.isNaN)) y!.fill(Number.NaN);
      }),
    );
    expect(spread.map(({ kind, sample }) => [kind, sample])).toEqual([['special', '3×40 f32, one NaN']]);
    const stop = failures(
      runner(({ outputs: [y] }) => y!.set(y!.map((value) => (Number.isNaN(value) ? 0 : value)))),
    );
    expect(stop.map(({ kind }) => kind)).toEqual(['special', 'special', 'special']);
    const huge = failures(
      runner(({ outputs: [y] }, { tensors }) => {
        if (Math.abs(tensors.x!.values[0]!) > 1e18) spoil(y!, 0, toNaN);
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
  const all = (of: Op, spoiled: Runner = runner()) =>
    stepsOf(of, host, spoiled, 'full').flatMap((step) => step.run());
  const wrong = (results: readonly CheckResult[]) => results.filter(({ ok }) => !ok);

  test.each(others.map((each) => ({ name: each.name, each })))('pass what is right, of $name', ({ each }) => {
    const results = all(each);
    expect(wrong(results)).toEqual([]);
    expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['forward', 'backward', 'repeat']));
    expect(results.length).toBe(2 * each.samples().length + 1);
    expect(stepsOf(each, host, runner(), 'smoke')).toHaveLength(1);
  });

  test.each(['outputs', 'gradients'] as const)('notice one wrong element of %s', (of) => {
    for (const each of others) {
      const spoiled = runner((got) => {
        const last = got[of].findLast((values) => values.length > 0);
        if (last !== undefined) spoil(last, last.length - 1, toNaN);
      });
      const failed = wrong(all(each, spoiled));
      expect(failed.length, each.name).toBeGreaterThan(0);
      for (const { kind, message } of failed) {
        expect(kind).toBe(of === 'outputs' ? 'forward' : 'backward');
        expect(message).toMatch(/^\w+ is off by Infinity/);
      }
    }
  });

  test('notice other bits, and take an exception as a failure', () => {
    const moody = runner(({ outputs: [first] }, _, call) => {
      if (call % 2 === 0 && first!.length > 0) spoil(first!, 0, (value) => value * (1 + 2 ** -22));
    });
    const failed = wrong(all(transformerOps.rmsnorm, moody));
    expect(failed.map(({ kind, message }) => [kind, message])).toEqual([
      ['repeat', 'a second run gave other bits'],
    ]);
    const broken = runner(() => {
      throw new Error('broken\nin two lines');
    });
    const results = all(transformerOps.rmsnorm, broken);
    expect(results.every(({ ok, message }) => !ok && message === 'broken')).toBe(true);
  });
});
