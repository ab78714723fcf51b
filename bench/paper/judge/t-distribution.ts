import { PolycomError } from 'polycom';

// The packages that compute these were tried against SciPy 1.17: jstat 1.9.6 has no types, agrees to 1e-8, and its
// noncentral t is wrong by 40 orders of magnitude in its tail; @stdlib/stats-base-dists-t agrees to 1e-15, but is 244
// packages, and has no noncentral t. With whole degrees of freedom the formulas are these few lines.

/** Bisections that halve any bracket below the last digit of a double. */
const BISECTIONS = 100;
/** Intervals of Simpson's rule: enough for twelve digits. */
const STEPS = 4000;

/**
 * The distribution function of Student's t with whole degrees of freedom: the finite sums of Abramowitz and Stegun
 * 26.7.3 and 26.7.4.
 *
 * @param df 1, 2, 3, …
 * @throws {PolycomError} `INVALID_ARGUMENT` for other degrees of freedom
 */
export function studentCdf(t: number, df: number): number {
  checkDf(df);
  return 0.5 + halfCentral(Math.atan(t / Math.sqrt(df)), df);
}

/**
 * The p-quantile of Student's t with whole degrees of freedom.
 *
 * @param p in (0, 1)
 * @throws {PolycomError} `INVALID_ARGUMENT` for another p or other degrees of freedom
 */
export function studentQuantile(p: number, df: number): number {
  checkDf(df);
  checkShare('p', p);
  const angle = bisect((theta) => halfCentral(theta, df) - (p - 0.5), -Math.PI / 2, Math.PI / 2);
  return Math.sqrt(df) * Math.tan(angle);
}

/**
 * The distribution function of the noncentral t: that of (Z + δ) / s, Z standard normal and s² = χ²(df) / df, as the
 * integral of Φ(t s - δ) over the density of s.
 *
 * @param df 1, 2, 3, …
 * @param delta δ, the noncentrality
 * @throws {PolycomError} `INVALID_ARGUMENT` for other degrees of freedom
 */
export function noncentralCdf(t: number, df: number, delta: number): number {
  checkDf(df);
  const end = 1 + 12 / Math.sqrt(df);
  const width = end / STEPS;
  const logScale = Math.log(2) + (df / 2) * Math.log(df / 2) - logGammaHalf(df);
  let sum = 0;
  for (let i = 0; i <= STEPS; ++i) {
    const s = i * width;
    const power = df === 1 ? 0 : (df - 1) * Math.log(s);
    const density = Math.exp(logScale + power - (df * s * s) / 2);
    const weight = i === 0 || i === STEPS ? 1 : i % 2 === 0 ? 2 : 4;
    sum += weight * density * normalCdf(t * s - delta);
  }
  return (sum * width) / 3;
}

/** What a test is asked to do. */
export interface TestSettings {
  /** The share of tests that reject what is true: 0.05 by default, two-sided. */
  readonly alpha?: number;
  /** The share of tests that find a difference of the size in question: 0.8 by default. */
  readonly power?: number;
}

/**
 * The smallest mean of paired differences that a paired t test of n pairs finds with the power asked for: δ s / √n,
 * with δ from the noncentral t.
 *
 * @param deviation the standard deviation of the differences
 * @param n pairs, 2 or more
 * @throws {PolycomError} `INVALID_ARGUMENT` for fewer pairs, or a share outside (0, 1)
 */
export function detectableDifference(
  deviation: number,
  n: number,
  { alpha = 0.05, power = 0.8 }: TestSettings = {},
): number {
  checkShare('alpha', alpha);
  checkShare('power', power);
  return (noncentralityOf(n, alpha, power) * deviation) / Math.sqrt(n);
}

/** δ by pairs, α and power: it takes a while to find, and is asked for again and again. */
const noncentralities = new Map<string, number>();

function noncentralityOf(n: number, alpha: number, power: number): number {
  const key = `${n} ${alpha} ${power}`;
  const known = noncentralities.get(key);
  if (known !== undefined) return known;
  const critical = studentQuantile(1 - alpha / 2, n - 1);
  const found = (delta: number): number =>
    1 - noncentralCdf(critical, n - 1, delta) + noncentralCdf(-critical, n - 1, delta);
  let high = 1;
  while (found(high) < power) high *= 2;
  const delta = bisect((candidate) => found(candidate) - power, 0, high, 45);
  noncentralities.set(key, delta);
  return delta;
}

/** The root of a rising f. */
function bisect(f: (x: number) => number, from: number, to: number, steps: number = BISECTIONS): number {
  let [low, high] = [from, to];
  for (let i = 0; i < steps; ++i) {
    const middle = (low + high) / 2;
    if (f(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Half of P(|T| < √df tan θ), with θ's sign. */
function halfCentral(theta: number, df: number): number {
  const [sine, cosine] = [Math.sin(theta), Math.cos(theta)];
  const odd = df % 2 === 1;
  let [term, sum] = [odd ? cosine : 1, 0];
  for (let k = odd ? 1 : 0; k <= df - 2; k += 2) {
    sum += term;
    term *= (cosine * cosine * (k + 1)) / (k + 2);
  }
  return odd ? (theta + sine * sum) / Math.PI : (sine * sum) / 2;
}

/** ln Γ(df / 2). */
function logGammaHalf(df: number): number {
  let sum = df % 2 === 1 ? Math.log(Math.PI) / 2 : 0;
  for (let z = df / 2 - 1; z > 0.25; --z) sum += Math.log(z);
  return sum;
}

/** The distribution function of the normal: its series, and in the tails the continued fraction (26.2.11 and 26.2.14). */
function normalCdf(z: number): number {
  const size = Math.abs(z);
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (size < 4) {
    let [term, sum] = [z, 0];
    for (let n = 3; Math.abs(term) > Math.abs(sum) * 1e-17; n += 2) {
      sum += term;
      term *= (z * z) / n;
    }
    return 0.5 + density * sum;
  }
  let fraction = size;
  for (let n = 60; n >= 1; --n) fraction = size + n / fraction;
  return z < 0 ? density / fraction : 1 - density / fraction;
}

function checkDf(df: number): void {
  if (Number.isInteger(df) && df >= 1) return;
  throw new PolycomError(
    'INVALID_ARGUMENT',
    `degrees of freedom are ${df}; expected a whole number from 1 on`,
    {
      remedy: 'give two or more runs, with different seeds',
    },
  );
}

function checkShare(name: string, value: number): void {
  if (value > 0 && value < 1) return;
  throw new PolycomError('INVALID_ARGUMENT', `${name} is ${value}; expected a number between 0 and 1`);
}
