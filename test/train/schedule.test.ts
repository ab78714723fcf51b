import { describe, expect, test } from 'vitest';
import { learningRateAt, type Schedule } from '../../src/train/schedule.js';
import { readVectors } from '../model/vectors/read.js';

const cosine: Schedule = { peak: 1, floor: 0.1, warmup: 10, steps: 110, decay: 'cosine' };

describe('the learning rate', () => {
  test('rises to its peak, then falls to its floor and stays', () => {
    const at = (step: number) => learningRateAt(cosine, step);
    expect([1, 5, 10].map(at)).toEqual([0.1, 0.5, 1]);
    expect(at(60)).toBeCloseTo(0.55, 12);
    expect(at(110)).toBeCloseTo(0.1, 12);
    expect(at(500)).toBeCloseTo(0.1, 12);
    expect(learningRateAt({ ...cosine, decay: 'linear' }, 60)).toBeCloseTo(0.55, 12);
    expect(learningRateAt({ ...cosine, decay: 'constant' }, 110)).toBe(1);
    expect(learningRateAt({ ...cosine, warmup: 110 }, 110)).toBe(1);
  });

  test("is PyTorch's in the vectors", () => {
    const { texts, tensors } = readVectors('adamw');
    const { learningRate, floor, warmup, steps } = JSON.parse(texts.recipe!);
    const rates = tensors.get('rate')!.values;
    for (const [i, rate] of rates.entries()) {
      const got = learningRateAt({ peak: learningRate, floor, warmup, steps, decay: 'cosine' }, i + 1);
      expect(Math.abs(got - rate)).toBeLessThan(1e-7 * learningRate);
    }
  });

  test.each<[Partial<Schedule>, RegExp]>([
    [{ peak: Number.NaN }, /peak is NaN/],
    [{ floor: 2 }, /floor is 2; expected from 0 to the peak, 1/],
    [{ steps: 0 }, /steps is 0; expected a whole number, 1 or more/],
    [{ warmup: 200 }, /warmup is 200/],
    [{ decay: 'sine' as never }, /decay is "sine"; expected one of cosine, linear, constant/],
  ])('has no schedule with %o', (wrong, message) => {
    expect(() => learningRateAt({ ...cosine, ...wrong }, 1)).toThrow(message);
  });
});
