import * as tf from '@tensorflow/tfjs-core';
import { gelu, polyNorm, polyRelu, relu, relu2, silu, swiGlu, unfused } from 'polycom';
import { type ModelConfig, measurePeak, Transformer } from 'polycom/model';

/** How an activation gets its gradient: from what the tape kept, by doing it again from its input, or by one kernel. */
export type Way = 'tape' | 'recompute' | 'fused';

/** What an activation keeps from its forward to its backward, in bytes an element of the hidden width. */
export interface MemoryRow {
  readonly activation: string;
  /** By formula, in float32: the tensors of full size that a backward of the plain formula needs; its input alone. */
  readonly analytic: { readonly tape: number; readonly recompute: number };
  /** Measured on `backend`, inputs included, output not; null where nothing could be measured, or has no kernel. */
  readonly kept: Readonly<Record<Way, number | null>>;
  /** The most that lived at once in forward and backward, inputs not counted. */
  readonly peak: Readonly<Record<Way, number | null>>;
}

/** A training step's tensors, by what the model keeps. */
export interface StepMemoryRow {
  readonly activation: string;
  /** Bytes beside parameters and moments: everything on tfjs's tape; a block's chosen list; a block's input alone. */
  readonly peakBytes: { readonly tape: number; readonly block: number; readonly recompute: number };
}

const FLOAT_BYTES = 4;

/** How an activation is called, and what it keeps by formula. */
interface Kept {
  /** The tensors of full size that a backward of the plain formula needs. */
  readonly tape: number;
  /** Its inputs of full size: 1 by default. */
  readonly matrices?: number;
  /** Whether coefficients follow: a weight of order 3, and a bias. */
  readonly isPolynomial?: boolean;
  readonly run: (inputs: readonly tf.Tensor[]) => tf.Tensor;
}

const KEPT: Readonly<Record<string, Kept>> = {
  relu: { tape: 1, run: ([x]) => relu(x!) },
  relu2: { tape: 1, run: ([x]) => relu2(x!) }, // its ReLU
  gelu: { tape: 2, run: ([x]) => gelu(x!) }, // x and Φ
  silu: { tape: 2, run: ([x]) => silu(x!) }, // x and σ
  polyrelu: { tape: 3, isPolynomial: true, run: ([x, weight, bias]) => polyRelu(x!, weight!, bias!) }, // s, s², s³
  polynorm: { tape: 6, isPolynomial: true, run: ([x, weight, bias]) => polyNorm(x!, weight!, bias!) }, // x, x², x³, norms
  swiglu: { tape: 4, matrices: 2, run: ([gate, up]) => swiGlu({ gate: gate!, up: up! }) }, // gate, up, σ(gate), silu(gate)
};

/** Activations that {@link memoryRows} has a formula for. */
export const MEMORY_COUNTED: readonly string[] = Object.keys(KEPT);

/** What activations keep, by formula alone. */
export function analyticMemory(names: readonly string[]): MemoryRow[] {
  const nothing = { tape: null, recompute: null, fused: null };
  return names
    .filter((name) => MEMORY_COUNTED.includes(name))
    .map((activation) => {
      const { tape, matrices = 1 } = KEPT[activation]!;
      const analytic = { tape: FLOAT_BYTES * tape, recompute: FLOAT_BYTES * matrices };
      return { activation, analytic, kept: nothing, peak: nothing };
    });
}

/**
 * The same, measured on the active backend at a shape.
 *
 * @param isFused whether that backend has the fused kernels
 */
export function memoryRows(
  names: readonly string[],
  rows: number,
  cols: number,
  isFused: boolean,
): MemoryRow[] {
  return analyticMemory(names).map((row) => {
    const kept = KEPT[row.activation]!;
    const measured = {
      tape: measureWay(kept, 'tape', rows, cols),
      recompute: measureWay(kept, 'recompute', rows, cols),
      fused: isFused ? measureWay(kept, 'fused', rows, cols) : undefined,
    };
    const of = (what: 'kept' | 'peak'): Record<Way, number | null> => ({
      tape: measured.tape[what],
      recompute: measured.recompute[what],
      fused: measured.fused?.[what] ?? null,
    });
    return { ...row, kept: of('kept'), peak: of('peak') };
  });
}

const WEIGHT = [0.4, -0.3, 0.7];
const BIAS = 0.1;

function measureWay(
  { matrices = 1, isPolynomial = false, run }: Kept,
  way: Way,
  rows: number,
  cols: number,
): { kept: number; peak: number } {
  const normal = (seed: number): tf.Tensor => tf.randomNormal([rows, cols], 0, 1, 'float32', seed);
  const coefficients = isPolynomial ? [tf.tensor1d(WEIGHT), tf.scalar(BIAS)] : [];
  const inputs = [...Array.from({ length: matrices }, (_, i) => normal(i + 1)), ...coefficients];
  const dy = normal(0);
  const plain = (xs: readonly tf.Tensor[]): tf.Tensor => unfused(() => tf.tidy(() => run(xs)));
  let kept = 0;
  let live = (): number => 0;
  const both = (f: (xs: readonly tf.Tensor[]) => tf.Tensor): void => {
    // Between the activation and its gradient.
    const seam = tf.customGrad((y) => ({
      value: tf.clone(y as tf.Tensor),
      gradFunc: (g: tf.Tensor) => {
        kept = live();
        return tf.clone(g);
      },
    }));
    tf.dispose(tf.grads((...xs: tf.Tensor[]) => seam(f(xs)))(inputs, dy));
  };
  const again = (): void => {
    const y = plain(inputs);
    kept = live();
    y.dispose(); // it is made anew, and would count twice
    tf.dispose(tf.grads((...xs: tf.Tensor[]) => plain(xs))(inputs, dy));
  };
  const step = { tape: () => both(plain), recompute: again, fused: () => both(run) }[way];
  try {
    step(); // what a first call makes for good is no part of it
    const { peakBytes } = measurePeak((bytes) => {
      live = bytes;
      step();
    });
    const elements = rows * cols;
    const output = FLOAT_BYTES * elements;
    return {
      kept: (kept - output + matrices * FLOAT_BYTES * elements) / elements,
      peak: peakBytes / elements,
    };
  } finally {
    tf.dispose([...inputs, dy]);
  }
}

/** The peak of a training step's tensors by activation, fused, on the active backend. */
export function stepMemoryRow(config: ModelConfig, batch: number, time: number): StepMemoryRow {
  const model = Transformer.create(config, { seed: 1 });
  const words = Int32Array.from({ length: batch * time }, (_, i) => (i * 7) % config.vocabulary);
  const tokens = tf.tensor2d(words, [batch, time], 'int32');
  const peak = (options: { memory: 'tape' | 'block'; recompute?: boolean }): number => {
    const step = (): void =>
      tf.tidy(() => {
        model.gradients(tokens, tokens, options);
      });
    step();
    return measurePeak(step).peakBytes;
  };
  try {
    return {
      activation: config.activation,
      peakBytes: {
        tape: peak({ memory: 'tape' }),
        block: peak({ memory: 'block' }),
        recompute: peak({ memory: 'block', recompute: true }),
      },
    };
  } finally {
    model.dispose();
    tokens.dispose();
  }
}
