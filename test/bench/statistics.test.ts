import { describe, expect, test } from 'vitest';
import { percentile, round, summarise } from '../../src/bench/statistics.js';

describe('percentile', () => {
  test('interpolates between neighbours, whatever the order', () => {
    expect(percentile([4, 1, 3, 2, 5], 0.5)).toBe(3);
    expect(percentile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(percentile([10, 20], 0.2)).toBe(12);
    expect(percentile([1, 2, 3], 0)).toBe(1);
    expect(percentile([1, 2, 3], 1)).toBe(3);
  });

  test('of one sample is that sample; of none, NaN', () => {
    expect(percentile([7], 0.8)).toBe(7);
    expect(percentile([], 0.5)).toBeNaN();
  });

  test('leaves the samples as they were', () => {
    const samples = [3, 1, 2];
    percentile(samples, 0.5);
    expect(samples).toEqual([3, 1, 2]);
  });
});

test('summarise gives the median with its spread, rounded to four digits', () => {
  expect(summarise([1, 2, 3, 4, 5, 6])).toEqual({ ms_p20: 2, ms_p50: 3.5, ms_p80: 5 });
  expect(summarise([1 / 3])).toEqual({ ms_p20: 0.3333, ms_p50: 0.3333, ms_p80: 0.3333 });
  expect(round(123456)).toBe(123500);
});
