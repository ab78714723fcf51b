import type { Dtype } from './types.js';

/** The bytes of an element. */
export const ITEM_BYTES: Readonly<Record<Dtype, number>> = { f32: 4, f16: 2, bf16: 2 };

/** Elements as a dtype stores them. */
export type Stored = Float32Array | Uint16Array;

/** The value that a dtype holds nearest to `value`, ties to even: what ideal rounding would store. */
export function rounded(value: number, dtype: Dtype): number {
  if (dtype === 'f32') return Math.fround(value);
  return dtype === 'f16'
    ? roundedTo(value, 11, -24, 65504)
    : roundedTo(value, 8, -133, 2 ** 128 * (1 - 2 ** -8));
}

/** Writes values into storage of a dtype. */
export function encode(values: ArrayLike<number>, dtype: Dtype, into: Stored): void {
  for (let i = 0; i < values.length; ++i) into[i] = dtype === 'f32' ? values[i]! : bitsOf(values[i]!, dtype);
}

/** What storage of a dtype holds. Floats are given as they are, not copied. */
export function decode(stored: Stored, dtype: Dtype): Float32Array {
  if (stored instanceof Float32Array) return stored;
  return Float32Array.from(stored, (bits) => (dtype === 'bf16' ? floatOf(bits << 16) : halfOf(bits)));
}

const bits = new DataView(new ArrayBuffer(4));

function floatOf(pattern: number): number {
  bits.setInt32(0, pattern);
  return bits.getFloat32(0);
}

function halfOf(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(pattern >> 10) & 0x1f, pattern & 0x3ff];
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function bitsOf(value: number, dtype: Dtype): number {
  const near = rounded(value, dtype);
  bits.setFloat32(0, near);
  if (dtype === 'bf16') return bits.getUint32(0) >>> 16;
  const sign = (bits.getUint32(0) >>> 31) << 15;
  const size = Math.abs(near);
  if (!(size < 2 ** 16)) return sign | (size >= 2 ** 16 ? 0x7c00 : 0x7e00);
  const exponent = Math.max(Math.floor(Math.log2(size)), -15);
  const fraction = exponent === -15 ? size * 2 ** 24 : (size / 2 ** exponent - 1) * 1024;
  return sign | ((exponent + 15) << 10) | fraction;
}

/** Rounds to `digits` binary digits and no finer than 2^`finest`, to infinity beyond `largest`. */
function roundedTo(value: number, digits: number, finest: number, largest: number): number {
  const size = Math.abs(value);
  if (!(size > 0 && size < Number.POSITIVE_INFINITY)) return value;
  const unit = 2 ** Math.max(Math.floor(Math.log2(size)) - digits + 1, finest);
  const near = value / unit;
  const even = Math.abs(near % 1) === 0.5 ? 2 * Math.round(near / 2) : Math.round(near);
  return Math.abs(even * unit) > largest ? Math.sign(value) * Number.POSITIVE_INFINITY : even * unit;
}
