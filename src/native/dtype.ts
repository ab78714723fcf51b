import type { Dtype, ElementType } from './types.js';

/** The bytes of an element. */
export const ITEM_BYTES: Readonly<Record<ElementType, number>> = {
  f32: 4,
  f16: 2,
  bf16: 2,
  i32: 4,
};

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Elements as a dtype stores them. */
export type Stored = Float32Array | Uint16Array;

/** The arrays that hold a dtype's elements. */
export const STORAGE: {
  readonly f32: Float32ArrayConstructor;
  readonly f16: Uint16ArrayConstructor;
  readonly bf16: Uint16ArrayConstructor;
} = { f32: Float32Array, f16: Uint16Array, bf16: Uint16Array };

/** The value that a dtype holds nearest to `value`, ties to even: what ideal rounding would store. */
export function rounded(value: number, dtype: Dtype): number {
  switch (dtype) {
    case 'f32':
      return Math.fround(value);
    case 'f16':
      return roundedTo(value, 11, -24, 65504);
    case 'bf16':
      return roundedTo(value, 8, -133, 2 ** 128 * (1 - 2 ** -8));
  }
}

/** Writes values into storage of a dtype. */
export function encode(values: ArrayLike<number>, dtype: Dtype, into: Stored): void {
  into.set(dtype === 'f32' ? values : encoded(Float32Array.from(values), dtype));
}

/** Floats as a dtype stores them, each rounded to the nearest, ties to even. Those of f32 are given as they are. */
export function encoded(values: Float32Array, dtype: Dtype): Stored {
  return dtype === 'f32' ? values : encodeHalves(values, dtype);
}

/** What storage of a dtype holds. Floats are given as they are, not copied. */
export function decode(stored: Stored, dtype: Dtype): Float32Array {
  return dtype === 'f32' ? (stored as Float32Array) : decodeHalves(stored as Uint16Array, dtype);
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

/** The dtypes of 16 bits, which travel as a Uint16Array. */
export type HalfDtype = 'f16' | 'bf16';

/** Floats as f16 or bf16, each rounded to the nearest, ties to even; what is too large becomes infinite. */
export function encodeHalves(values: Float32Array, dtype: HalfDtype): Uint16Array {
  const patterns = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  const encode = dtype === 'f16' ? f16Of : bf16Of;
  for (let i = 0; i < halves.length; ++i) halves[i] = encode(patterns[i]!);
  return halves;
}

/** The floats that f16 or bf16 elements stand for, exactly. */
export function decodeHalves(halves: Uint16Array, dtype: HalfDtype): Float32Array {
  const values = new Float32Array(halves.length);
  const patterns = new Uint32Array(values.buffer);
  const decode = dtype === 'f16' ? floatOfF16 : floatOfBf16;
  for (let i = 0; i < halves.length; ++i) patterns[i] = decode(halves[i]!);
  return values;
}

// From here on floats are the 32 bits of their pattern, so that NaNs keep theirs.

const INFINITY = 0x7f800000;
const QUIET = 0x400000; // of a NaN; without it a truncated one could turn into infinity

function bf16Of(pattern: number): number {
  if ((pattern & 0x7fffffff) > INFINITY) return (pattern | QUIET) >>> 16;
  return (pattern + 0x7fff + ((pattern >>> 16) & 1)) >>> 16;
}

function f16Of(pattern: number): number {
  const sign = (pattern >>> 16) & 0x8000;
  const size = pattern & 0x7fffffff;
  if (size > INFINITY) return sign | 0x7c00 | (((size | QUIET) >>> 13) & 0x3ff);
  if (size >= 0x47800000) return sign | 0x7c00; // 2^16 and beyond
  // From 2^-14 on: another bias of the exponent (127 - 15), 13 bits less. A carry may reach infinity.
  if (size >= 0x38800000) return sign | roundShift(size - (112 << 23), 13);
  // Below, units of 2^-24: less than half a unit is zero.
  if (size < 0x33000000) return sign;
  return sign | roundShift((size & 0x7fffff) | 0x800000, 126 - (size >>> 23));
}

/** `value` / 2^`bits`, to the nearest, ties to even. */
function roundShift(value: number, bits: number): number {
  return (value + (1 << (bits - 1)) - 1 + ((value >>> bits) & 1)) >>> bits;
}

function floatOfBf16(half: number): number {
  return half << 16;
}

function floatOfF16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | INFINITY | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // fraction * 2^-24, whose leading bit becomes the hidden one.
  const lead = 31 - Math.clz32(fraction);
  return sign | ((lead + 103) << 23) | ((fraction << (23 - lead)) & 0x7fffff);
}
