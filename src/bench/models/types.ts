import type { ActivationName } from '../../model/config.js';
import type { PresetName } from '../../model/presets.js';
import type { Allocator, BenchDevice, DocumentOf, Timing } from '../types.js';

/** What is measured where nobody says: the size of the model, and tokens of a sequence or of a prompt. */
export const MODEL_BENCH_DEFAULTS: {
  readonly preset: PresetName;
  readonly train: { readonly batch: number; readonly time: number };
  readonly generate: { readonly batch?: number; readonly time: number };
} = { preset: 'small', train: { batch: 8, time: 128 }, generate: { time: 64 } };

/**
 * How a model is run: with this package's fused ops, gradients and optimizer; the same with its ops as compositions of
 * tf ops; or as stock tfjs-node would have it, with tf ops on tfjs's tape and `tf.train.adam`; or by another library.
 */
export type ModelVariant = 'fused' | 'composed' | 'stock' | `peer:${string}`;

/** Those that are this package's. */
export type OwnModelVariant = Exclude<ModelVariant, `peer:${string}`>;

interface ModelIdentity {
  readonly preset: PresetName;
  /** A row of the activation table. */
  readonly activation: ActivationName;
  readonly variant: ModelVariant;
  readonly backend: string;
  readonly device: BenchDevice;
  /** Of TensorFlow's rows on a CPU. */
  readonly allocator?: Allocator;
  readonly parameters: number;
  readonly batch: number;
}

/** A training step, measured. A contender whose loss is wrong is not timed. */
export interface TrainRow extends ModelIdentity, Partial<Timing> {
  /** Tokens of a sequence. */
  readonly time: number;
  readonly samples?: number;
  readonly tok_per_s?: number;
  /** Parts of a step: its loss alone, measured apart; the rest of its gradients; its update. */
  readonly ms_forward?: number;
  readonly ms_backward?: number;
  readonly ms_optimizer?: number;
  /** Of a step on a CPU, where an op returns when it is done: what is spent outside TensorFlow's ops. */
  readonly ms_host?: number;
  /** Of a step on a CPU: what is spent in matrix products. */
  readonly ms_matmul?: number;
  /** Share of `peak_named` that the model's own arithmetic comes to: (6 N + 12 L H D T) flops a token. */
  readonly mfu?: number;
  /** What `mfu` is a share of, and how that was measured. */
  readonly peak_named?: string;
  /** The most that a step's tensors took at once, beside parameters and moments. */
  readonly peak_bytes?: number;
  /** How many times as fast as `stock` of the same activation. */
  readonly vs_stock?: number;
  /** How many times as fast as the fused model with ReLU. */
  readonly vs_relu?: number;
  readonly loss?: number;
  readonly ok: boolean;
  readonly failure?: string;
}

/** Generation, measured: reading prompts, and what follows, a token of each sequence a step. */
export interface GenerateRow extends ModelIdentity {
  readonly phase: 'prefill' | 'decode';
  /** Tokens of a prompt. */
  readonly length: number;
  /** Of a prompt's reading, or of a step. */
  readonly ms_p20?: number;
  readonly ms_p50?: number;
  readonly ms_p80?: number;
  readonly samples?: number;
  readonly tok_per_s?: number;
  readonly vs_stock?: number;
  readonly vs_relu?: number;
  readonly ok: boolean;
  readonly failure?: string;
}

export type TrainDocument = DocumentOf<'train', TrainRow>;
export type GenerateDocument = DocumentOf<'generate', GenerateRow>;
export type ModelDocument = TrainDocument | GenerateDocument;
