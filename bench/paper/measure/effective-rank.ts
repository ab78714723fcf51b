import { Matrix, SingularValueDecomposition } from 'ml-matrix';

/** The singular values of a matrix, row-major, in f64 and in any order. */
export function singularValues(values: ArrayLike<number>, rows: number, columns: number): number[] {
  const matrix = Matrix.from1DArray(rows, columns, values);
  const options = {
    computeLeftSingularVectors: false,
    computeRightSingularVectors: false,
    autoTranspose: true,
  };
  return new SingularValueDecomposition(matrix, options).diagonal;
}

/**
 * The effective rank (Roy and Vetterli 2007): exp(-Σ p log p) with p = σ / Σ σ. From 1, of a matrix of rank 1, to the
 * number of singular values, where they are all the same; 0 for a matrix of zeros.
 */
export function effectiveRank(singular: readonly number[]): number {
  const sum = singular.reduce((total, value) => total + value, 0);
  if (sum === 0) return 0;
  const shares = singular.map((value) => value / sum).filter((share) => share > 0);
  return Math.exp(shares.reduce((entropy, share) => entropy - share * Math.log(share), 0));
}
