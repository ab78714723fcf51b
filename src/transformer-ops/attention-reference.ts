import type { Dtype } from '../native/types.js';
import { Sums } from '../op/sums.js';
import type { Values } from '../op/types.js';

/** A call of the reference. */
export interface AttentionInputs {
  readonly q: Values;
  readonly k: Values;
  readonly v: Values;
  readonly start: Values;
  readonly scale: number;
}

/** One query's row of scores, over the keys that it sees. */
interface Row {
  readonly batch: number;
  readonly head: number;
  readonly time: number;
  /** Where the query begins in q, and the keys in k and v. */
  readonly q: number;
  readonly keys: readonly number[];
  readonly lse: number;
  readonly p: readonly number[];
  /** The absolute terms of each score, and of their mean under p. */
  readonly terms: readonly number[];
  readonly meanTerms: number;
}

/** p never leaves [0, 1]: an error of 1, as absolute terms, of which the bound is a millionth. */
const MOST_TERMS = 1e6;

/** What errors of the scores do to each p: dp_i = p_i ((1 - p_i) ds_i - Σ p_j ds_j over the other j). */
function movesOf({ p, terms, meanTerms }: Row): number[] {
  const most = p.indexOf(Math.max(...p));
  const besideMost = (of: (i: number) => number): number =>
    p.reduce((sum, weight, i) => sum + (i === most ? 0 : weight * of(i)), 0);
  return p.map((weight, i) => {
    // Of the largest p, whose others are few, by their sum: a difference would cancel.
    const others = i === most ? besideMost(() => 1) : 1 - weight;
    const otherTerms = i === most ? besideMost((j) => terms[j]!) : meanTerms - weight * terms[i]!;
    return Math.min(MOST_TERMS, weight * (others * terms[i]! + otherTerms));
  });
}

/** y, and lse as [batch, heads, time]. */
export function forward(call: AttentionInputs): Sums[] {
  const [, time, heads, width] = call.q.shape as [number, number, number, number];
  const y = new Sums(call.q.values.length);
  const lse = new Sums(width === 0 ? 0 : call.q.values.length / width);
  eachRow(call, (row) => {
    const { batch, head } = row;
    lse.add((batch * heads + head) * time + row.time, row.lse, Math.abs(row.lse) + row.meanTerms);
    for (let d = 0; d < width; ++d) {
      for (const [i, key] of row.keys.entries()) y.add(row.q + d, row.p[i]! * call.v.values[key + d]!);
      const value = y.value[row.q + d]!;
      // An error of the score moves y by as much as v is away from it.
      for (const [i, key] of row.keys.entries())
        y.add(
          row.q + d,
          0,
          Math.min(MOST_TERMS, row.p[i]! * row.terms[i]!) * Math.abs(call.v.values[key + d]! - value),
        );
    }
  });
  return [y, lse];
}

/**
 * dq, dk and dv. With dp_j = dy · v_j, delta = Σ p_j dp_j and ds = p (dp − delta):
 * dq = scale Σ ds_j k_j, dk_j = scale Σ ds q, dv_j = Σ p dy. In 16 bits, delta = dy · y, y as it was stored.
 */
export function backward(call: AttentionInputs, dy: Float64Array, dtype: Dtype = 'f32'): Sums[] {
  const { q, k, v, scale } = call;
  const y = dtype === 'f32' ? undefined : forward(call)[0]!.readBack(dtype);
  const width = q.shape[3]!;
  const [dq, dk, dv] = [q, k, v].map(({ values }) => new Sums(values.length)) as [Sums, Sums, Sums];
  eachRow(call, (row) => {
    const dp = row.keys.map((key) => dot(dy, row.q, v.values, key, width));
    let [delta, deltaTerms] = [0, 0];
    for (const [i, p] of row.p.entries()) {
      delta += p * dp[i]!.value;
      deltaTerms += p * dp[i]!.terms;
    }
    if (y !== undefined) delta = dot(dy, row.q, y, row.q, width).value;
    let moved = 0; // delta, by the scores' errors
    for (const [i, p] of row.p.entries())
      moved += Math.min(MOST_TERMS, p * row.terms[i]!) * Math.abs(dp[i]!.value - delta);
    const allMoves = movesOf(row);
    for (const [i, key] of row.keys.entries()) {
      const p = row.p[i]!;
      const moves = allMoves[i]!;
      const difference = dp[i]!.value - delta;
      const ds = scale * p * difference;
      const terms =
        Math.abs(scale) * (p * (dp[i]!.terms + deltaTerms + moved) + moves * Math.abs(difference));
      for (let d = 0; d < width; ++d) {
        const g = dy[row.q + d]!;
        dq.add(row.q + d, ds * k.values[key + d]!, terms * Math.abs(k.values[key + d]!));
        dk.add(key + d, ds * q.values[row.q + d]!, terms * Math.abs(q.values[row.q + d]!));
        dv.add(key + d, p * g, (p + moves) * Math.abs(g));
      }
    }
  });
  return [dq, dk, dv];
}

function eachRow(call: AttentionInputs, body: (row: Row) => void): void {
  const { q, k, start, scale } = call;
  const [batches, time, heads, width] = q.shape as [number, number, number, number];
  const [, keys, kvHeads] = k.shape as [number, number, number];
  for (let batch = 0; batch < batches; ++batch) {
    for (let t = 0; t < time; ++t) {
      const seen = Math.min(Math.max(start.values[batch]!, 0) + t + 1, keys);
      for (let head = 0; head < heads; ++head) {
        const at = ((batch * time + t) * heads + head) * width;
        const kvHead = Math.floor(head / (heads / kvHeads));
        const places = Array.from(
          { length: seen },
          (_, j) => ((batch * keys + j) * kvHeads + kvHead) * width,
        );
        const scores = places.map((key) => dot(q.values, at, k.values, key, width));
        const s = scores.map(({ value }) => scale * value);
        const largest = s.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
        const sum = s.reduce((total, value) => total + Math.exp(value - largest), 0);
        const p = s.map((value) => Math.exp(value - largest) / sum);
        const terms = scores.map(({ terms }) => Math.abs(scale) * terms);
        const meanTerms = p.reduce((total, weight, i) => total + weight * terms[i]!, 0);
        const lse = largest + Math.log(sum);
        body({ batch, head, time: t, q: at, keys: places, lse, p, terms, meanTerms });
      }
    }
  }
}

function dot(
  a: Float64Array,
  atA: number,
  b: Float64Array,
  atB: number,
  width: number,
): { value: number; terms: number } {
  let [value, terms] = [0, 0];
  for (let d = 0; d < width; ++d) {
    const product = a[atA + d]! * b[atB + d]!;
    value += product;
    terms += Math.abs(product);
  }
  return { value, terms };
}
