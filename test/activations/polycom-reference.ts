import { erfc } from '../../src/activations/erf.js';
import type { PolyComInner } from '../../src/activations/polycom.js';
import { logistic } from '../../src/activations/silu.js';
import { Sums } from '../../src/op/sums.js';
import type { Scalars } from '../../src/op/types.js';

/** A call of a composition: row-major values by name, and the length of the last axis. */
export interface OracleInputs {
  readonly cols: number;
  readonly scalars: Scalars;
  readonly tensors: Readonly<Record<string, Float64Array>>;
}

/** A composition in plain f64, and the gradients of its inputs. */
export interface Oracle {
  forward(inputs: OracleInputs): Sums;
  backward(inputs: OracleInputs, dy: Float64Array): Sums[];
}

/**
 * PolyCom in plain f64: the oracle of its compositions, independent of them.
 *
 *   type I    y = b + Σ a_i ρ(x)^i       type II    y = b + Σ a_i ρ(x^i)       relu-ii    y = b + Σ a_i ρ(ReLU(x)^i)
 *
 * weight = [a_R .. a_1]. Inputs are x, weight, bias, and of PReLU the slope: as long as x, as a row, or one number.
 */
export function polyComReference(name: PolyComInner, type: 'I' | 'II' | 'relu-ii'): Oracle {
  const rule = rules[name];
  return {
    forward({ cols, scalars, tensors: { x, weight, bias, slope } }) {
      const y = new Sums(x!.length);
      for (let from = 0; from < x!.length; from += cols) {
        const row = x!.subarray(from, from + cols);
        const more = { epsilon: scalars.epsilon!, slope: rowOf(slope, from) };
        const s = rule.apply(row, more);
        for (const [j] of row.entries()) y.add(from + j, bias![0]!);
        for (const { p, a } of termsOf(weight!)) {
          const t = type === 'I' ? s.map((value) => value ** p) : rule.apply(powerOf(row, p, type).u, more);
          for (const [j, value] of t.entries()) y.add(from + j, a * value);
        }
      }
      return y;
    },
    backward({ cols, scalars, tensors: { x, weight, slope } }, dy) {
      const [dx, dweight, dbias] = [new Sums(x!.length), new Sums(weight!.length), new Sums(1)];
      const dslope = slope && new Sums(slope.length);
      for (let from = 0; from < x!.length; from += cols) {
        const row = x!.subarray(from, from + cols);
        const g = dy.subarray(from, from + cols);
        const more = { epsilon: scalars.epsilon!, slope: rowOf(slope, from) };
        /** Takes a gradient of ρ(u) back through it, and through u, whose derivative by x is given. */
        const back = (u: Float64Array, du: Float64Array, ds: Sums): void => {
          const through = rule.back(u, ds, more);
          for (const [j, d] of du.entries()) {
            dx.add(from + j, d * through.value[j]!, Math.abs(d) * through.terms[j]!);
            if (dslope === undefined || u[j]! > 0) continue;
            dslope.add(
              (from + j) % dslope.value.length,
              ds.value[j]! * u[j]!,
              ds.terms[j]! * Math.abs(u[j]!),
            );
          }
        };
        for (const gj of g) dbias.add(0, gj);
        const [s, ds] = [rule.apply(row, more), new Sums(cols)];
        for (const { p, a } of termsOf(weight!)) {
          const { u, du } = powerOf(row, p, type);
          const t = type === 'I' ? s.map((value) => value ** p) : rule.apply(u, more);
          const dt = type === 'I' ? ds : new Sums(cols);
          for (const [j, gj] of g.entries()) {
            dweight.add(weight!.length - p, gj * t[j]!);
            dt.add(j, gj * a * (type === 'I' ? p * s[j]! ** (p - 1) : 1));
          }
          if (type !== 'I') back(u, du, dt);
        }
        if (type === 'I') back(row, new Float64Array(cols).fill(1), ds);
      }
      return dslope === undefined ? [dx, dweight, dbias] : [dx, dweight, dbias, dslope];
    },
  };
}

/** What ρ depends on beside its argument. */
interface More {
  readonly epsilon: number;
  /** PReLU's slope of each element of the row. */
  readonly slope: (j: number) => number;
}

/** ρ of a row, and the gradient of u when that of ρ(u) is ds. */
interface Rule {
  readonly apply: (u: Float64Array, more: More) => Float64Array;
  readonly back: (u: Float64Array, ds: Sums, more: More) => Sums;
}

const rules: Readonly<Record<PolyComInner, Rule>> = {
  identity: elementwise(
    (u) => u,
    () => 1,
  ),
  relu: elementwise(
    (u) => Math.max(u, 0),
    (u) => (u > 0 ? 1 : 0),
  ),
  prelu: elementwise(
    (u, slope) => (u > 0 ? u : slope * u),
    (u, slope) => (u > 0 ? 1 : slope),
  ),
  sigmoid: elementwise(logistic, (u) => logistic(u) * logistic(-u)),
  tanh: elementwise(Math.tanh, (u) => 1 - Math.tanh(u) ** 2),
  silu: elementwise(
    (u) => u * logistic(u),
    (u) => logistic(u) * (1 + u * logistic(-u)),
  ),
  gelu: elementwise(
    (u) => u * normalCdf(u),
    (u) => normalCdf(u) + (u * Math.exp((-u * u) / 2)) / Math.sqrt(2 * Math.PI),
  ),
  rms: normalisation((cols) => 1 / cols),
  l2: normalisation(() => 1),
};

function elementwise(
  value: (u: number, slope: number) => number,
  derivative: (u: number, slope: number) => number,
): Rule {
  return {
    apply: (u, { slope }) => u.map((uj, j) => value(uj, slope(j))),
    back: (u, ds, { slope }) => {
      const dx = new Sums(u.length);
      for (const [j, uj] of u.entries()) {
        const d = derivative(uj, slope(j));
        dx.add(j, d * ds.value[j]!, Math.abs(d) * ds.terms[j]!);
      }
      return dx;
    },
  };
}

/** n = r u, r = (c Σu² + ε)^-1/2; du = r (ds - c n Σ ds n). */
function normalisation(c: (cols: number) => number): Rule {
  const reciprocal = (u: Float64Array, epsilon: number): number => {
    const square = c(u.length) * u.reduce((sum, uj) => sum + uj * uj, 0) + epsilon;
    return square === 0 ? 0 : 1 / Math.sqrt(square);
  };
  return {
    apply: (u, { epsilon }) => {
      const r = reciprocal(u, epsilon);
      return u.map((uj) => r * uj);
    },
    back: (u, ds, { epsilon }) => {
      const [r, du, projection] = [reciprocal(u, epsilon), new Sums(u.length), new Sums(1)];
      for (const [j, uj] of u.entries())
        projection.add(0, ds.value[j]! * r * uj, ds.terms[j]! * Math.abs(r * uj));
      for (const [j, uj] of u.entries()) {
        const share = c(u.length) * r * r * uj;
        du.add(j, r * ds.value[j]!, r * ds.terms[j]!);
        du.add(j, -share * projection.value[0]!, Math.abs(share) * projection.terms[0]!);
      }
      return du;
    },
  };
}

/** A row's power and its derivative; of its ReLU in type relu-ii. */
function powerOf(row: Float64Array, p: number, type: string): { u: Float64Array; du: Float64Array } {
  const zero = (x: number): boolean => type === 'relu-ii' && x <= 0;
  return {
    u: row.map((x) => (zero(x) ? 0 : x ** p)),
    du: row.map((x) => (zero(x) ? 0 : p * x ** (p - 1))),
  };
}

function termsOf(weight: Float64Array): { p: number; a: number }[] {
  return Array.from(weight, (_, i) => ({ p: i + 1, a: weight[weight.length - 1 - i]! }));
}

function rowOf(slope: Float64Array | undefined, from: number): (j: number) => number {
  if (slope === undefined) return () => 0;
  return (j) => slope[(from + j) % slope.length]!;
}

/** The distribution function of the standard normal. */
function normalCdf(u: number): number {
  return erfc(-u * Math.SQRT1_2) / 2;
}
