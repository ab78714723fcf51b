import { PolycomError } from '../errors.js';

/** The singular values of a matrix, in any order. */
export type SingularValues = (values: ArrayLike<number>, rows: number, columns: number) => number[];

/**
 * Loads the library that finds singular values (ml-matrix, in f64), which a plain installation does not have.
 *
 * @throws {PolycomError} `UNSUPPORTED`, with the remedy, where it is not installed
 */
export async function loadSingularValues(): Promise<SingularValues> {
  const { Matrix, SingularValueDecomposition } = await load();
  const options = {
    computeLeftSingularVectors: false,
    computeRightSingularVectors: false,
    autoTranspose: true,
  };
  return (values, rows, columns) => {
    const matrix = Matrix.from1DArray(rows, columns, values);
    return new SingularValueDecomposition(matrix, options).diagonal;
  };
}

async function load() {
  try {
    return await import('ml-matrix');
  } catch (cause) {
    throw new PolycomError(
      'UNSUPPORTED',
      'the library of the singular value decomposition is not installed',
      {
        remedy: 'npm install ml-matrix',
        cause,
      },
    );
  }
}

/**
 * The effective rank (Roy and Vetterli 2007): exp(-Σ p log p) with p = σ / Σ σ. From 1, of a matrix of rank 1, to the
 * number of singular values, where they are all the same; 0 for a matrix of zeros.
 */
export function effectiveRank(singularValues: readonly number[]): number {
  const sum = singularValues.reduce((total, value) => total + value, 0);
  if (sum === 0) return 0;
  const shares = singularValues.map((value) => value / sum).filter((share) => share > 0);
  return Math.exp(shares.reduce((entropy, share) => entropy - share * Math.log(share), 0));
}
