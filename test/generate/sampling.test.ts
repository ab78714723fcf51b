import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PolycomError } from '../../src/common/errors.js';
import { uniform } from '../../src/common/random.js';
import type { SamplingOptions } from '../../src/generate/options.js';
import { sampleToken } from '../../src/generate/sampling.js';

const logits = [0.5, 2, -1, 1.5, 2, -3];
const never = () => {
  throw new Error('a draw');
};

/** How often each token comes in many draws. */
function shares(scores: readonly number[], options: SamplingOptions, seen: number[] = []): number[] {
  const random = uniform(7);
  const draws = 20_000;
  const counts = scores.map(() => 0);
  for (let i = 0; i < draws; ++i) ++counts[sampleToken(scores, seen, options, random)]!;
  return counts.map((count) => count / draws);
}

function softmax(scores: readonly number[]): number[] {
  const weights = scores.map(Math.exp);
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/** Five standard deviations of a share of 20,000 draws, at most. */
const CLOSE = 5 * Math.sqrt(0.25 / 20_000);

function expectShares(got: number[], wanted: number[]): void {
  for (const [i, share] of wanted.entries()) {
    expect(Math.abs(got[i]! - share), `token ${i}: ${got[i]}, not ${share}`).toBeLessThan(CLOSE);
    if (share === 0) expect(got[i]).toBe(0);
  }
}

describe('without a temperature', () => {
  test('the most probable token, of equals the first, with no draw', () => {
    expect(sampleToken(logits, [], { temperature: 0 }, never)).toBe(1);
    expect(sampleToken(Float32Array.of(-5, -4, -4), [], { temperature: 0 }, never)).toBe(1);
  });

  test('what was seen is divided where positive, multiplied where negative', () => {
    const options = { temperature: 0, repetitionPenalty: 1.5 };
    expect(sampleToken(logits, [1, 1], options, never)).toBe(4);
    expect(sampleToken(logits, [1, 4], options, never)).toBe(3); // 1.333 < 1.5
    expect(sampleToken([-1, -1.4, -3], [0], options, never)).toBe(1); // -1.5 < -1.4
    expect(sampleToken([-1, -1.4, -3], [0], { ...options, repetitionPenalty: 0.5 }, never)).toBe(0);
  });
});

describe('draws', () => {
  test('follow the softmax of the logits over the temperature', () => {
    expectShares(shares(logits, {}), softmax(logits));
    expectShares(shares(logits, { temperature: 2.5 }), softmax(logits.map((x) => x / 2.5)));
    expectShares(shares(logits, { temperature: 1e-300 }), [0, 0.5, 0, 0, 0.5, 0]);
  });

  test('of the top k alone; of equals the first are kept', () => {
    const kept = softmax([2, 1.5, 2]);
    expectShares(shares(logits, { topK: 3 }), [0, kept[0]!, 0, kept[1]!, kept[2]!, 0]);
    expectShares(shares(logits, { topK: 1 }), [0, 1, 0, 0, 0, 0]);
    expectShares(shares(logits, { topK: 100 }), softmax(logits));
  });

  test('of the fewest tokens that have the share p', () => {
    const scores = [0.1, 0.4, 0.2, 0.3].map(Math.log);
    expectShares(shares(scores, { topP: 0.65 }), [0, 4 / 7, 0, 3 / 7]);
    expectShares(shares(scores, { topP: 0.75 }), [0, 4 / 9, 2 / 9, 3 / 9]);
    expectShares(shares(scores, { topP: 1e-9 }), [0, 1, 0, 0]);
    expectShares(shares([0, 0, 0, 0], { topP: 0.5 }), [0.5, 0.5, 0, 0]);
  });

  test('take top p of what top k left, after penalty and temperature', () => {
    // Token 1 goes from 2 to 1; then 2 and 4 are left, of shares 0.12 and 0.88.
    const [one, two] = softmax([2, 4]);
    const options = { temperature: 0.5, topK: 2, repetitionPenalty: 2 };
    expectShares(shares([0, 2, 2, -9], options, [1]), [0, one!, two!, 0]);
    expectShares(shares([0, 2, 2, -9], { ...options, topP: 0.9 }, [1]), [0, one!, two!, 0]);
    expectShares(shares([0, 2, 2, -9], { ...options, topP: 0.85 }, [1]), [0, 0, 1, 0]);
  });

  test('are those of their seed', () => {
    const draws = (seed: number) => {
      const random = uniform(seed);
      return Array.from({ length: 50 }, () => sampleToken(logits, [], {}, random));
    };
    expect(draws(3)).toEqual(draws(3));
    expect(draws(3)).not.toEqual(draws(4));
  });
});

test('a token that is impossible is never chosen, whatever is drawn', () => {
  const options = fc.record(
    {
      temperature: fc.double({ min: 0, max: 10, noNaN: true }),
      topK: fc.integer({ min: 1, max: 12 }),
      topP: fc.double({ min: 1e-6, max: 1, noNaN: true }),
      repetitionPenalty: fc.double({ min: 0.1, max: 10, noNaN: true }),
    },
    { requiredKeys: [] },
  );
  const scores = fc
    .array(fc.oneof(fc.double({ min: -1e4, max: 1e4, noNaN: true }), fc.constant(Number.NEGATIVE_INFINITY)), {
      minLength: 1,
      maxLength: 9,
    })
    .filter((values) => values.some(Number.isFinite));
  const drawn = fc.oneof(
    fc.constant(0),
    fc.constant(1 - 2 ** -32),
    fc.double({ min: 0, max: 0.999, noNaN: true }),
  );
  fc.assert(
    fc.property(scores, options, drawn, fc.array(fc.nat(12)), (values, chosen, number, seen) => {
      const token = sampleToken(values, seen, chosen, () => number);
      expect(values[token]).toBeGreaterThan(Number.NEGATIVE_INFINITY);
    }),
  );
});

test.each([
  [[1, Number.NaN], /logit of token 1 is NaN.*\n.*an earlier checkpoint/],
  [[Number.POSITIVE_INFINITY, 1], /token 0 is Infinity/],
  [[Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY], /token 0 is -Infinity/],
])('logits %j are no distribution', (values, message) => {
  for (const temperature of [0, 1]) {
    const run = () => sampleToken(values, [], { temperature }, () => 0.5);
    expect(run).toThrow(PolycomError);
    expect(run).toThrow(message);
  }
});
