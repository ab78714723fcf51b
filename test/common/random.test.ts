import { expect, test } from 'vitest';
import { hash, permutation, uniform } from '../../src/common/random.js';

test.each([1, 2, 3, 4, 5, 17, 64, 65, 1000, 4097])('a permutation of %i gives each number once', (count) => {
  const order = permutation(count, 7, 1);
  const images = Array.from({ length: count }, (_, index) => order(index));
  expect([...images].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
});

test('a permutation of more numbers than memory holds takes none, and stays within them', () => {
  const count = 2 ** 51 + 12345;
  const order = permutation(count, 3);
  const images = Array.from({ length: 1000 }, (_, index) => order(count - 1 - index));
  expect(new Set(images).size).toBe(1000);
  for (const image of images) expect(Number.isSafeInteger(image) && image >= 0 && image < count).toBe(true);
  expect(images.filter((image) => image > count / 2).length).toBeGreaterThan(430);
});

test('a permutation leaves neither order nor neighbours, and another key gives another one', () => {
  const count = 5000;
  const order = permutation(count, 1, 0);
  const images = Array.from({ length: count }, (_, index) => order(index));
  const mean = (count - 1) / 2;
  const correlate = (lag: number): number =>
    images.reduce((sum, image, i) => sum + (image - mean) * (images[(i + lag) % count]! - mean), 0) /
    (count * (count ** 2 / 12));
  const withIndex =
    images.reduce((sum, image, i) => sum + (image - mean) * (i - mean), 0) / (count * (count ** 2 / 12));
  // Five standard deviations of a random order.
  for (const value of [withIndex, correlate(1), correlate(2)]) {
    expect(Math.abs(value)).toBeLessThan(5 / Math.sqrt(count));
  }
  const other = permutation(count, 1, 1);
  expect(images.filter((image, index) => image === other(index)).length).toBeLessThan(12);
});

test('numbers are the same everywhere, and evenly spread', () => {
  // Computed once; a change would change every order and every synthetic text.
  expect([hash(0), hash(1), hash(2 ** 40, 5)]).toEqual([3553795876, 3905795224, 1594736223]);
  const next = uniform(1, 2);
  const bins = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; ++i) ++bins[Math.floor(next() * 16)]!;
  const chi = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  expect(chi).toBeLessThan(44); // of 15 degrees of freedom: exceeded once in 10,000
});
