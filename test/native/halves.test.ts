import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeHalves, encodeHalves, type HalfDtype } from '../../src/native/dtype.js';

const FORMATS: readonly { dtype: HalfDtype; fraction: number; bias: number }[] = [
  { dtype: 'f16', fraction: 10, bias: 15 },
  { dtype: 'bf16', fraction: 7, bias: 127 },
];

describe.each(FORMATS)('$dtype', ({ dtype, fraction, bias }) => {
  const infinite = 0x7fff - ((1 << fraction) - 1); // its bits
  const all = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);

  /** What bits stand for, by the format's definition; infinity's are the next power of two, where rounding ends. */
  function value(bits: number): number {
    const exponent = (bits & 0x7fff) >> fraction;
    const part = (bits & ((1 << fraction) - 1)) / 2 ** fraction;
    const size = exponent === 0 ? part * 2 ** (1 - bias) : (1 + part) * 2 ** (exponent - bias);
    return bits & 0x8000 ? -size : size;
  }

  /** Whether no neighbour is nearer, and of two as near the even one was taken. */
  function isNearest(bits: number, of: number): boolean {
    if ((bits & 0x7fff) > infinite || (of !== 0 && bits >>> 15 !== Number(of < 0))) return false;
    const distance = Math.abs(value(bits) - of);
    if ((bits & 0x7fff) === infinite && Math.abs(of) >= value(infinite)) return true;
    return [bits + 1, bits - 1].every((neighbour) => {
      const other = Math.abs(value(neighbour & 0xffff) - of);
      return distance < other || (distance === other && (bits & 1) === 0);
    });
  }

  const encodeOne = (float: number): number => encodeHalves(Float32Array.of(float), dtype)[0]!;

  test('decodes every pattern', () => {
    const values = decodeHalves(all, dtype);
    const wrong = all.filter((bits) => {
      const size = bits & 0x7fff;
      if (size > infinite) return !Number.isNaN(values[bits]);
      if (size === infinite) return values[bits] !== (bits & 0x8000 ? -Infinity : Infinity);
      return !Object.is(values[bits], value(bits));
    });
    expect([...wrong]).toEqual([]);
  });

  test('encodes what it decoded as it was; a signalling NaN becomes a quiet one', () => {
    const again = encodeHalves(decodeHalves(all, dtype), dtype);
    const quiet = (bits: number): number =>
      (bits & 0x7fff) > infinite ? bits | (1 << (fraction - 1)) : bits;
    expect([...all.filter((bits) => again[bits] !== quiet(bits))]).toEqual([]);
  });

  test('rounds halfway between neighbours to even, and around there to the nearest', () => {
    const middles = Float32Array.from({ length: infinite }, (_, bits) => (value(bits) + value(bits + 1)) / 2);
    const patterns = new Uint32Array(middles.buffer);
    const shifted = (by: number): Uint16Array =>
      encodeHalves(new Float32Array(patterns.map((pattern) => pattern + by).buffer), dtype);
    const [below, at, above] = [shifted(-1), shifted(0), shifted(1)];
    const negative = encodeHalves(
      middles.map((middle) => -middle),
      dtype,
    );
    const wrong = all.slice(0, infinite).filter((bits) => {
      const even = bits + (bits & 1);
      const right = below[bits] === bits && at[bits] === even && above[bits] === bits + 1;
      return !right || negative[bits] !== (0x8000 | even);
    });
    expect([...wrong]).toEqual([]);
  });

  test('rounds any float to the nearest', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(float, (of) => isNearest(encodeOne(of), of)),
      { numRuns: 5000 },
    );
  });

  test('keeps NaN and infinity apart', () => {
    expect(encodeOne(Infinity)).toBe(infinite);
    expect(encodeOne(-Infinity)).toBe(0x8000 | infinite);
    const almostInfinite = new Float32Array(Uint32Array.of(0x7f800001).buffer);
    expect(decodeHalves(encodeHalves(almostInfinite, dtype), dtype)[0]).toBeNaN();
  });
});
