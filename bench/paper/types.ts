import type { Machine } from 'polycom/bench';
import type { SyntheticOptions } from 'polycom/data';
import type { ModelConfig } from 'polycom/model';
import type { CostResult } from './cost/index.js';
import type { TheoryResult } from './theory/index.js';

/** Data that a run is trained on, told by its content: where it lies is no part of it. */
export type DataSpec = SyntheticData | TextData;

/** A synthetic language, and how much text of it. */
export interface SyntheticData extends Required<Omit<SyntheticOptions, 'side'>> {
  readonly kind: 'synthetic';
  readonly name: string;
}

/** A text. */
export interface TextData {
  readonly kind: 'text';
  /** The file's name, without its folder. */
  readonly name: string;
  /** SHA-256 of its tokens, as checkpoints have it. */
  readonly hash: string;
  readonly tokenizer: string;
  readonly vocabulary: number;
}

/** How a run is trained: what of the settings of training decides its losses. The rest has its defaults. */
export interface RunSettings {
  readonly steps: number;
  /** Windows of a batch. */
  readonly batch: number;
  /** Tokens of a window. */
  readonly time: number;
  /** The highest learning rate. */
  readonly learningRate: number;
  /** Of first values and of the order of the data. */
  readonly seed: number;
  /** Steps between evaluations; the last step always has one. */
  readonly evalEvery: number;
  /** Batches of an evaluation on the way. */
  readonly evalBatches: number;
}

/** One training run and what is recorded of it, complete: equal specs give equal losses. */
export interface RunSpec {
  readonly schema: 1;
  readonly config: ModelConfig;
  readonly data: DataSpec;
  readonly settings: RunSettings;
  /** Windows of the last evaluation, evenly spread over the held-out tokens; all of them where it is more. */
  readonly finalWindows: number;
  /** Names of the probes that look at the trained model; see `probes.ts`. */
  readonly probes: readonly string[];
}

/** The training loss: means over steps that follow each other, so that a curve has a bounded number of points. */
export interface TrainCurve {
  /** The last step of each mean. */
  readonly step: readonly number[];
  /** Cross-entropy in nats a token. */
  readonly loss: readonly number[];
}

/** The held-out curve, a value an evaluation. */
export interface HeldOutCurve {
  readonly step: readonly number[];
  /** Tokens trained on until then. */
  readonly tokens: readonly number[];
  /** Seconds of training until then, evaluations and checkpoints apart. */
  readonly seconds: readonly number[];
  /** Cross-entropy in nats a token; its exponential is the perplexity. */
  readonly loss: readonly number[];
  /** The share of next tokens that were the model's most probable one. */
  readonly top1: readonly number[];
}

/** How well a model foretells a set of tokens. */
export interface TokenScore {
  /** Mean cross-entropy in nats a token. */
  readonly loss: number;
  readonly perplexity: number;
  /** The share of next tokens that were the model's most probable one. */
  readonly top1: number;
  readonly tokens: number;
}

/** What a run was carried out with. */
export interface RunHost {
  /** tfjs's backend: `tensorflow` or `cpu`. */
  readonly backend: string;
  /** Whether the ops ran in this package's kernels. */
  readonly fused: boolean;
  readonly polycom: string;
  readonly tensorflow?: string;
}

/** What a run came to. */
export interface RunResult {
  readonly schema: 1;
  /** The hash of its spec. */
  readonly id: string;
  readonly host: RunHost;
  readonly parameters: { readonly total: number; readonly active: number };
  readonly tokens: number;
  /** Of training steps alone. */
  readonly seconds: number;
  /** Of training, evaluations, checkpoints and probes, in the process that finished it. */
  readonly wall_seconds: number;
  readonly step_ms_p20: number;
  readonly step_ms_p50: number;
  readonly step_ms_p80: number;
  readonly train: TrainCurve;
  readonly heldOut: HeldOutCurve;
  /** SHA-256 of the exact losses of all steps and evaluations: equal runs have equal ones. */
  readonly digest: string;
  /** On the held-out tokens, after the last step. */
  readonly final?: TokenScore;
  /** Of the kinds of tokens in the held-out text that can be told apart, such as verse and prose. */
  readonly sets: Readonly<Record<string, TokenScore>>;
  /** The learned coefficients by name of parameter, one list an evaluation (those of `heldOut.step`). */
  readonly coefficients: Readonly<Record<string, readonly (readonly number[])[]>>;
  /** What the probes found, by their names. */
  readonly probes: Readonly<Record<string, unknown>>;
  /** Why it ended early: a loss or a gradient that is not finite. It then has no `final`. */
  readonly diverged?: { readonly step: number; readonly message: string };
}

/** What tells the runs of an experiment apart. */
export interface RunLabels {
  readonly data: string;
  readonly activation: string;
  readonly seed: number;
  /** For people: `PolyNorm, order 2`. Runs that differ in their seed alone have the same. */
  readonly label: string;
  /** What is varied, in the ablations: `order`, `composition`, … */
  readonly group?: string;
  /** The size's name, in the scaling experiment. */
  readonly size?: string;
  /** The learning rate, in the sweep. */
  readonly rate?: number;
}

/** A run of an experiment. Several experiments may share a run: it is trained once. */
export interface PlannedRun {
  readonly labels: RunLabels;
  readonly spec: RunSpec;
}

export type ExperimentName = 'sweep' | 'dense' | 'moe' | 'ablation' | 'scaling';

/** What a comparison shows beside training. */
export interface Parts {
  readonly theory: TheoryResult;
  readonly cost: CostResult;
}

export type PartName = keyof Parts;

/** An experiment and its runs. */
export interface Experiment {
  readonly name: ExperimentName;
  readonly title: string;
  readonly runs: readonly PlannedRun[];
}

/** The learning rate of an activation on some data. */
export interface Rate {
  readonly data: string;
  readonly activation: string;
  readonly rate: number;
  /** `swept`: the best of its sweep; `default`: none was made. */
  readonly from: 'swept' | 'default';
  /** Whether no sweep went further on the best one's side: an even better one may lie beyond. */
  readonly border: boolean;
}

/** What low-precision storage does to an activation's values, forward. */
export interface OverflowRow {
  readonly activation: string;
  readonly order: number;
  readonly dtype: 'f16' | 'bf16';
  /** `fused`: this package's kernel, arithmetic in f32; `eager`: every operation rounded, as frameworks run it. */
  readonly method: 'fused' | 'eager';
  /** The standard deviation of the input. */
  readonly sigma: number;
  /** Outputs that are NaN or infinite, of `count`. */
  readonly nonFinite: number;
  readonly count: number;
  /** ‖error‖ / ‖exact‖ over the finite outputs, against arithmetic in f64; none where no output is finite. */
  readonly error?: number;
}

/** An experiment in the document: its runs by id. */
export interface DocumentExperiment {
  readonly name: ExperimentName;
  readonly title: string;
  readonly runs: readonly { readonly id: string; readonly labels: RunLabels }[];
}

/** A run in the document. */
export interface DocumentRun {
  readonly id: string;
  readonly spec: RunSpec;
  readonly result: RunResult;
}

/** What `npm run paper` found: one JSON document. */
export interface CompareDocument {
  readonly schema: 1;
  readonly bench: 'compare';
  readonly date: string;
  readonly commit?: string;
  readonly command: string;
  readonly scale: string;
  /** The sum of the runs' `wall_seconds`: what one worker would have taken. */
  readonly seconds: number;
  readonly machine: Machine;
  readonly workers: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
  /** The data; `entropy` in nats a token, where it is known: no model's expected loss is lower. */
  readonly data: readonly (DataSpec & { readonly entropy?: number })[];
  readonly rates: readonly Rate[];
  readonly experiments: readonly DocumentExperiment[];
  readonly runs: readonly DocumentRun[];
  readonly overflow: readonly OverflowRow[];
  readonly theory?: TheoryResult;
  readonly cost?: CostResult;
}
