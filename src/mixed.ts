/** A whole number of 32 bits, every bit of which depends on every bit of another's: the finalizer of MurmurHash3. */
export function mixed(bits: number): number {
  let z = bits | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}

/** The bits of a whole number above its lower 32, which is all that bitwise operators see of it; 0 where there are none. */
export function upperHalf(value: number): number {
  return Math.trunc(value / 2 ** 32) | 0;
}
