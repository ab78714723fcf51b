/** What the values of an activation's argument, or of its output, are like. */
export interface ValueStatistics {
  readonly mean: number;
  /** Root mean square. */
  readonly rms: number;
  /** The fourth central moment over the squared variance: 3 for a normal distribution; 0 where all are the same. */
  readonly kurtosis: number;
  /** The share of values that are 0. */
  readonly zeros: number;
  /** The share of units that were 0 for every token. */
  readonly dead: number;
  /** The largest absolute value. */
  readonly most: number;
}

/** Adds up {@link ValueStatistics} over batches, in f64. */
export class Moments {
  #count = 0;
  readonly #sums = [0, 0, 0, 0];
  #zeros = 0;
  #most = 0;
  readonly #alive: Uint8Array;

  /** @param units of a row: the width of the hidden layer */
  constructor(units: number) {
    this.#alive = new Uint8Array(units);
  }

  /** @param values rows of all units */
  add(values: Float32Array): void {
    const units = this.#alive.length;
    this.#count += values.length;
    for (let i = 0; i < values.length; ++i) {
      const value = values[i]!;
      let power = value;
      for (let p = 0; p < 4; ++p, power *= value) this.#sums[p]! += power;
      if (value === 0) ++this.#zeros;
      else this.#alive[i % units] = 1;
      this.#most = Math.max(this.#most, Math.abs(value));
    }
  }

  /** Of all values so far; all NaN where there were none. */
  get statistics(): ValueStatistics {
    const [m1, m2, m3, m4] = this.#sums.map((sum) => sum / this.#count) as [number, number, number, number];
    const variance = m2 - m1 * m1;
    const fourth = m4 - 4 * m1 * m3 + 6 * m1 * m1 * m2 - 3 * m1 ** 4;
    const alive = this.#alive.reduce((sum, one) => sum + one, 0);
    return {
      mean: m1,
      rms: Math.sqrt(m2),
      kurtosis: variance > 0 ? fourth / variance ** 2 : 0,
      zeros: this.#zeros / this.#count,
      dead: 1 - alive / this.#alive.length,
      most: this.#most,
    };
  }
}
