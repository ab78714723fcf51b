import { expect, test } from 'vitest';
import { Perceptron, train } from '../theory/perceptron.js';
import { trainedRows } from '../theory/trained.js';

const POINTS = Float64Array.of(-0.9, 0.1, -0.3, 0.7, 0.2, -0.4, 0.8, 0.9);
const ACTIVATIONS = [
  'relu',
  'relu2',
  'gelu',
  'silu',
  'polyrelu',
  'polynorm',
  'reglu',
  'geglu',
  'swiglu',
  'polyreluglu',
  'polynormglu',
];
const TARGETS = Float64Array.of(0.3, -0.2, 0.5, 0.1);

test.each(ACTIVATIONS)('gradients of %s agree with differences', (name) => {
  const network = new Perceptron(name, 2, 6, 1);
  const { of } = network.gradients(POINTS, TARGETS);
  const h = 1e-6;
  for (const [parameter, values] of Object.entries(network.parameters)) {
    for (const [i, value] of values.entries()) {
      const at = (shift: number): number => {
        values[i] = value + shift;
        const { loss } = network.gradients(POINTS, TARGETS);
        values[i] = value;
        return loss;
      };
      const difference = (at(h) - at(-h)) / (2 * h);
      expect(Math.abs(of[parameter]![i]! - difference), `${parameter} ${i}`).toBeLessThan(
        1e-7 * (1 + Math.abs(difference)),
      );
    }
  }
});

test('gated and ungated networks have about as many parameters', () => {
  const sizes = ['relu', 'swiglu', 'polynorm'].map((name) => new Perceptron(name, 1, 30, 0).size);
  expect(Math.max(...sizes) / Math.min(...sizes)).toBeLessThan(1.05);
});

test('training lowers the error, the same way each time', () => {
  const end = (steps: number): number =>
    train(new Perceptron('polynorm', 2, 6, 1), POINTS, TARGETS, { steps, rate: 0.03 });
  expect(end(100)).toBeLessThan(0.1 * end(1));
  expect(end(50)).toBe(end(50));
});

test('rows tell the best rate, and what it gave', () => {
  const rows = trainedRows({
    activations: ['relu', 'polyrelu'],
    targets: ['x²'],
    hidden: [6],
    seeds: 2,
    steps: 60,
    rates: [1e-6, 0.03, 0.05, 1e200],
  });
  expect(rows.map(({ activation }) => activation)).toEqual(['relu', 'polyrelu']);
  for (const { rate, logError, logRms, diverged, parameters } of rows) {
    expect(rate).toBeGreaterThan(1e-6);
    expect(logRms.mean).toBeLessThan(logError.mean);
    expect(diverged).toBe(0);
    expect(parameters).toBeGreaterThanOrEqual(19);
  }
});

test('refuses an unknown target, and rates that all diverge', () => {
  const scale = {
    activations: ['relu'],
    targets: ['x²'],
    hidden: [6],
    seeds: 1,
    steps: 3,
    rates: [1e200],
  } as const;
  expect(() => trainedRows(scale)).toThrow(/diverged with every seed at every rate: 1e\+200/);
  expect(() => trainedRows({ ...scale, targets: ['nothing' as 'x²'] })).toThrow(/nothing/);
});
