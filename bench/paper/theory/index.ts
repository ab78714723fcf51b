import { DENSE } from '../plan/names.js';
import { type ExactRow, exactRepresentations } from './exact.js';
import { type SizeComparison, sizeComparisons } from './size.js';
import { type SobolevRate, type SobolevScale, sobolevRates } from './sobolev.js';
import { type TrainedRow, type TrainedScale, trainedRows } from './trained.js';

export type { ExactRow } from './exact.js';
export type { ReluSize, SizeComparison } from './size.js';
export type { SobolevPoint, SobolevRate } from './sobolev.js';
export type { TrainedRow } from './trained.js';

/** How much to compute: `quick` takes well below a minute, `full` some minutes, on one core. */
export type TheoryScale = 'quick' | 'full';

/** The paper's theory in numbers: plain data, the same on every run. */
export interface TheoryResult {
  readonly scale: TheoryScale;
  readonly exact: readonly ExactRow[];
  readonly sizes: readonly SizeComparison[];
  readonly sobolev: readonly SobolevRate[];
  readonly trained: readonly TrainedRow[];
}

interface Settings {
  /** Sawtooth functions a square, at most. */
  readonly teeth: number;
  readonly sobolev: SobolevScale;
  readonly trained: TrainedScale;
}

const ACTIVATIONS = Object.keys(DENSE);

const SETTINGS: Readonly<Record<TheoryScale, Settings>> = {
  quick: {
    teeth: 8,
    sobolev: { cells: { 1: [8, 16, 32, 64], 2: [4, 8, 12] }, perCell: { 1: 16, 2: 4 } },
    trained: {
      activations: ACTIVATIONS,
      targets: ['x²', 'spline (n = 2)'],
      hidden: [16],
      seeds: 2,
      steps: 250,
      rates: [0.03, 0.1],
    },
  },
  full: {
    teeth: 12,
    sobolev: {
      cells: { 1: [8, 16, 32, 64, 128, 256, 512], 2: [8, 12, 16, 24, 32] },
      perCell: { 1: 16, 2: 4 },
    },
    trained: {
      activations: ACTIVATIONS,
      targets: ['x²', 'x³', 'x y', 'spline (n = 2)', 'sine × sine (n = 2)'],
      hidden: [16],
      seeds: 3,
      steps: 1000,
      rates: [0.01, 0.03, 0.1, 0.3],
    },
  },
};

/**
 * Computes the theory's figures: exact representations, sizes of ReLU networks against PolyReLU's, error against
 * parameters on Sobolev balls, and trained networks beside them.
 *
 * @param onStep told what is computed now
 */
export function runTheory(
  scale: TheoryScale,
  onStep: (text: string) => void = () => undefined,
): TheoryResult {
  const { teeth, sobolev, trained } = SETTINGS[scale];
  onStep('exact representations and sizes');
  return {
    scale,
    exact: exactRepresentations(),
    sizes: sizeComparisons(teeth),
    sobolev: sobolevRates(sobolev, onStep),
    trained: trainedRows(trained, onStep),
  };
}
