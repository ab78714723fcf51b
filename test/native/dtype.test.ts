import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, encode, rounded } from '../../src/native/dtype.js';

const through = (value: number, dtype: 'f16' | 'bf16'): number => {
  const stored = new Uint16Array(1);
  encode([value], dtype, stored);
  return decode(stored, dtype)[0]!;
};
const bitsOf = (value: number, dtype: 'f16' | 'bf16'): number => {
  const stored = new Uint16Array(1);
  encode([value], dtype, stored);
  return stored[0]!;
};

describe('16-bit storage', () => {
  test.each([
    [1, 0x3c00, 0x3f80],
    [-2, 0xc000, 0xc000],
    [0, 0, 0],
    [-0, 0x8000, 0x8000],
    [65504, 0x7bff, 0x4780],
    [2 ** -24, 0x0001, 0x3380],
    [1023 * 2 ** -24, 0x03ff, 0x3880],
    [2 ** -14, 0x0400, 0x3880],
    [Number.POSITIVE_INFINITY, 0x7c00, 0x7f80],
    [70000, 0x7c00, 0x4789],
  ])('of %d has the right bits', (value, f16, bf16) => {
    expect(bitsOf(value, 'f16')).toBe(f16);
    expect(bitsOf(value, 'bf16')).toBe(bf16);
  });

  test('rounds ties to even', () => {
    expect(rounded(1 + 2 ** -11, 'f16')).toBe(1);
    expect(rounded(1 + 3 * 2 ** -11, 'f16')).toBe(1 + 2 ** -9);
    expect(rounded(1 + 2 ** -8, 'bf16')).toBe(1);
    expect(rounded(-(1 + 3 * 2 ** -8), 'bf16')).toBe(-(1 + 2 ** -6));
    expect(rounded(1 / 3, 'f32')).toBe(Math.fround(1 / 3));
  });

  test('keeps what it can hold, NaN included', () => {
    expect(through(Number.NaN, 'f16')).toBeNaN();
    expect(through(Number.NaN, 'bf16')).toBeNaN();
    const near = fc.double({ min: -60000, max: 60000, noNaN: true });
    fc.assert(
      fc.property(near, fc.constantFrom('f16', 'bf16'), (value, dtype) => {
        const held = rounded(value, dtype);
        expect(through(value, dtype)).toBe(held);
        expect(rounded(held, dtype)).toBe(held);
        const unit = dtype === 'f16' ? 2 ** -11 : 2 ** -8;
        expect(Math.abs(held - value)).toBeLessThanOrEqual(unit * Math.abs(value) + 2 ** -25);
      }),
    );
  });

  test('every f16 pattern comes back', () => {
    const every = Uint16Array.from({ length: 0x7c01 }, (_, i) => i);
    const again = new Uint16Array(every.length);
    encode(decode(every, 'f16'), 'f16', again);
    expect(again).toEqual(every);
  });
});
