import * as tf from '@tensorflow/tfjs-core';
import { activationRow, isGated } from '../../model/activation.js';
import { type ModelConfig, measurePeak, Transformer } from '../../model/index.js';
import { nestedGradients } from '../../op/nested.js';
import { runOp, unfused } from '../../op/run.js';
import { isMatrix, sampleOf, shapeOf } from '../../op/sample.js';
import { type FusedOp, forwardPass } from '../../op/types.js';

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

/** Tensors of full size by formula: relu x; relu2 its ReLU; gelu x and Φ; silu x and σ; s, s², s³; x, x², x³ and norms. */
const TAPE_TENSORS: Readonly<Record<string, number>> = {
  relu: 1,
  relu2: 1,
  gelu: 2,
  silu: 2,
  polyrelu: 3,
  polynorm: 6,
  // gate, up, σ(gate), silu(gate)
  swiglu: 4,
};

/** Activations that {@link memoryRows} has a formula for. */
export const MEMORY_COUNTED: readonly string[] = Object.keys(TAPE_TENSORS);

/** What activations keep, by formula alone. */
export function analyticMemory(names: readonly string[]): MemoryRow[] {
  const nothing = { tape: null, recompute: null, fused: null };
  return names
    .filter((name) => MEMORY_COUNTED.includes(name))
    .map((activation) => ({
      activation,
      analytic: {
        tape: FLOAT_BYTES * TAPE_TENSORS[activation]!,
        recompute: FLOAT_BYTES * (isGated(activationRow(activation)) ? 2 : 1),
      },
      kept: nothing,
      peak: nothing,
    }));
}

/** The same, measured on the active backend at a shape. */
export function memoryRows(names: readonly string[], rows: number, cols: number): MemoryRow[] {
  return analyticMemory(names).map((row) => {
    const op = activationRow(row.activation);
    const measured = {
      tape: measureWay(op, 'tape', rows, cols),
      recompute: measureWay(op, 'recompute', rows, cols),
      fused:
        tf.getKernel(op.kernelName, tf.getBackend()) == null ? null : measureWay(op, 'fused', rows, cols),
    };
    const of = (what: 'kept' | 'peak'): Record<Way, number | null> => ({
      tape: measured.tape[what],
      recompute: measured.recompute[what],
      fused: measured.fused?.[what] ?? null,
    });
    return { ...row, kept: of('kept'), peak: of('peak') };
  });
}

function measureWay(op: FusedOp, way: Way, rows: number, cols: number): { kept: number; peak: number } {
  const sample = sampleOf(op, rows, cols);
  const inputs = op.inputs.map((name) => tf.tensor(sample.tensors[name]!, shapeOf(name, sample)));
  const dy = tf.tensor(sample.dy, [rows, cols]);
  const matrices = op.inputs.filter(isMatrix).length;
  let kept = 0;
  try {
    let live = (): number => 0;
    const seam = tf.customGrad((y) => ({
      value: tf.clone(y as tf.Tensor),
      gradFunc: (g: tf.Tensor) => {
        kept = live();
        return tf.clone(g);
      },
    }));
    const run = (): void =>
      tf.dispose(tf.grads((...xs: tf.Tensor[]) => seam(apply(op, way, xs)))(inputs, dy));
    run(); // what a first call makes for good is no part of it
    const { peakBytes } = measurePeak((bytes) => {
      live = bytes;
      run();
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

function apply(op: FusedOp, way: Way, xs: readonly tf.Tensor[]): tf.Tensor {
  const { defaults } = forwardPass(op);
  const plain = (inputs: readonly tf.Tensor[]): tf.Tensor =>
    unfused(() => tf.tidy(() => op.composed(inputs, defaults)));
  if (way === 'fused') return runOp(op, xs, defaults);
  if (way === 'tape') return plain(xs);
  const again = tf.customGrad((...given) => {
    const save = given.pop() as tf.GradSaveFunc;
    const inputs = given as tf.Tensor[];
    save(inputs);
    return {
      value: plain(inputs),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
        nestedGradients((...again) => [plain(again)], saved, [dy]),
    };
  });
  return again(...xs);
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
