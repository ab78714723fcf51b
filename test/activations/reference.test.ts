import { expect, test } from 'vitest';
import { referenceOf } from '../../src/index.js';

test('the reference of an activation is that of its row, in f64', () => {
  const { inputs, forward, backward } = referenceOf('swiglu');
  expect(inputs).toEqual(['gate', 'up']);
  const tensors = { gate: Float64Array.of(2, -1), up: Float64Array.of(3, 5) };
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const y = forward(tensors, 2);
  expect(y[0]).toBeCloseTo(2 * sigmoid(2) * 3, 14);
  expect(y[1]).toBeCloseTo(-sigmoid(-1) * 5, 14);
  const { up } = backward(tensors, 2, Float64Array.of(1, 10));
  expect(up![0]).toBeCloseTo(2 * sigmoid(2), 14);
  expect(up![1]).toBeCloseTo(-10 * sigmoid(-1), 14);
});

test('its scalars may be given', () => {
  const tensors = { x: Float64Array.of(3, 4), weight: Float64Array.of(1), bias: Float64Array.of(0) };
  const [first] = referenceOf('polynorm', { norm: 1, epsilon: 0 }).forward(tensors, 2);
  expect(first).toBeCloseTo(3 / 5, 14);
});

test('a name that no fused activation has is refused', () => {
  expect(() => referenceOf('polyprelu')).toThrow(/activation is 'polyprelu'; expected one of .*polynorm/);
});
