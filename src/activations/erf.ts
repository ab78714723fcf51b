/**
 * The error function to f64's accuracy: its series where |x| < 3, the continued fraction of erfc beyond
 * (Abramowitz and Stegun 7.1.6 and 7.1.14).
 */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size < 3) return x * (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * series(x * x);
  return Math.sign(x) * (1 - erfcTail(size));
}

/** 1 - erf(x), with all digits of its small values. */
export function erfc(x: number): number {
  return x < 3 ? 1 - erf(x) : erfcTail(x);
}

/** Σ (2 x²)^n / (1 · 3 · 5 ⋯ (2n + 1)). */
function series(square: number): number {
  let [term, sum] = [1, 1];
  for (let n = 1; term > sum * 1e-17; ++n) {
    term *= (2 * square) / (2 * n + 1);
    sum += term;
  }
  return sum;
}

/** erfc(x) for x ≥ 3: e^(-x²) / √π · 1 / (x + (1/2) / (x + 1 / (x + (3/2) / (x + ...)))). */
function erfcTail(x: number): number {
  let fraction = x;
  for (let n = 60; n >= 1; --n) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
