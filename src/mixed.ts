/** A whole number of 32 bits, every bit of which depends on every bit of another's: the finalizer of MurmurHash3. */
export function mixed(bits: number): number {
  let z = bits | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}
