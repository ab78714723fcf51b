import { expect, test } from 'vitest';
import { BOUND, boundOf, errorOf, sameKind } from '../../src/op/compare.js';
import { Sums } from '../../src/op/sums.js';

const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: minus, MAX_VALUE } = Number;

/** Sums of one term each. */
function sums(values: readonly number[]): Sums {
  const all = new Sums(values.length);
  for (const [i, value] of values.entries()) all.add(i, value);
  return all;
}

const odd = [nan, infinity, minus];

test.each(odd)('%d is taken for itself alone', (wanted) => {
  for (const got of [...odd, 0, 1, -1, 3.4e38, MAX_VALUE]) {
    expect(sameKind(got, wanted), `${got}`).toBe(Object.is(got, wanted));
    expect(sameKind(wanted, got), `${got}`).toBe(Object.is(got, wanted));
    const error = Object.is(got, wanted) ? 0 : infinity;
    expect(errorOf([1, got, 2], sums([1, wanted, 2])), `${got}`).toBe(error);
    expect(errorOf([1, wanted, 2], sums([1, got, 2])), `${got}`).toBe(error);
  }
});

test('an error is that of the elements beside which an infinity stands', () => {
  expect(errorOf([infinity, 1.5], sums([infinity, 1]))).toBe(0.5);
  expect(errorOf([nan, 1.5], sums([nan, 1]))).toBe(0.5);
});

test('an error is in units of the norm of the terms, however large or small they are', () => {
  for (const scale of [1e-30, 1, 1e200, 1e304]) {
    expect(errorOf([3 * scale, 4.5 * scale], sums([3 * scale, 4 * scale])), `${scale}`).toBeCloseTo(0.1, 12);
  }
  const cancelling = new Sums(1);
  cancelling.add(0, 1e6);
  cancelling.add(0, -1e6);
  expect(errorOf([2], cancelling)).toBe(1e-6);
});

test('a value where none is, and one that is missing, are wrong', () => {
  expect(errorOf([0, 0], sums([0, 0]))).toBe(0);
  expect(errorOf([1e-40, -0], sums([0, 0])), 'what f32 cannot hold').toBe(0);
  expect(errorOf([1e-30, 0], sums([0, 0]))).toBe(infinity);
  expect(errorOf([1], sums([1, 1]))).toBe(infinity);
});

test('a bound holds what rounding to 16 bits takes, and no more', () => {
  expect(boundOf(sums([1 / 3, 1]), 'f32')).toBe(BOUND);
  expect(boundOf(sums([1, 2]), 'f16')).toBe(BOUND);
  const third = boundOf(sums([1 / 3]), 'bf16');
  expect(third).toBeGreaterThan(2 ** -10);
  expect(third).toBeLessThan(2 ** -8);
  expect(boundOf(sums([1 / 3, 1e9]), 'f16'), '1e9 is no f16').toBeLessThan(1e-6 + 1e-12);
});
