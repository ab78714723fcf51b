import type { Device, Dtype } from '../native/types.js';

/** Which direction of an op is timed. `forward_backward` is both, through tfjs's tape. */
export type OpPass = 'forward' | 'backward' | 'forward_backward';

/** What a row times: a direction of an op, or a yardstick. */
export type BenchPass = OpPass | 'copy' | 'stream';

/** What ops are measured against: a copy, and streams with as many reads and writes as a pass has. */
export type Yardstick = 'copy' | 'stream';

/** What a row times: the package's kernel, a stock op, the composition that the kernel replaces, or a yardstick. */
export type OwnVariant = 'fused' | 'stock' | 'reference' | Yardstick;

/** Another library's way to the same result: `peer:pytorch-compiled`. */
export type PeerVariant = `peer:${string}`;

export type ContenderVariant = OwnVariant | PeerVariant;

/**
 * Where a row was measured. `emulated` is the tests' CUDA on the CPU: its results are right, its times say nothing of a
 * GPU, and it is compared with no other.
 */
export type BenchDevice = Device | 'emulated';

/** Who is measured by {@link OwnVariant}: the kernels by the C ABI alone, or inside tfjs-node. */
export type BenchBackend = 'native' | 'tensorflow';

/** How TensorFlow's CPU allocator treats freed memory, and whether oneDNN (which brings its own) is on. */
export type Allocator = 'bfc' | 'default' | 'default-no-onednn';

/** A matrix that is measured: that of an op's first input. */
export interface Shape {
  readonly rows: number;
  readonly cols: number;
}

/** What a row measures. */
export interface RowIdentity extends Shape {
  readonly op: string;
  /** The op's name for people. */
  readonly label: string;
  readonly pass: BenchPass;
  readonly dtype: Dtype;
  readonly device: BenchDevice;
  /** Who calls what is timed; `pytorch` for peers (bench/peers). */
  readonly backend: BenchBackend | 'pytorch';
  readonly variant: ContenderVariant;
  /** Of TensorFlow's rows. */
  readonly allocator?: Allocator;
  /** Of a yardstick: the way of copying that was fastest here. Of a GPU's row: why no graph was replayed. */
  readonly method?: string;
  /** Matrices that are read and written, such as 2:1; of two passes one after the other 1:1 + 2:1. */
  readonly traffic?: string;
}

/** The spread of a contender's samples, in milliseconds a call. */
export interface Timing {
  readonly ms_p20: number;
  readonly ms_p50: number;
  readonly ms_p80: number;
}

/** One measurement. A contender whose result is wrong is not timed, and has no ratios. */
export interface Row extends RowIdentity, Partial<Timing> {
  /** How many samples the spread is of. */
  readonly samples?: number;
  /** Algorithmic bytes, which each tensor counts once, over the median time. */
  readonly gb_per_s?: number;
  /** That rate against the copy's. Only where the tensors do not fit the cache. */
  readonly of_copy?: number;
  /** The time of the fastest stream with the same reads and writes, over this one's. Where of_copy may be. */
  readonly of_stream?: number;
  /** The share of that stream's rate which its counted instructions leave it on this GPU, and what bounds it there. */
  readonly predicted?: number;
  readonly bound?: string;
  /** On the CPU, of element-wise kernels: the rate with all tensors in the first-level caches of as many threads. */
  readonly l1_gb_per_s?: number;
  /** gb_per_s against that. Where of_copy may be. */
  readonly of_l1?: number;
  /** The share of the copy's rate that it should reach. */
  readonly target?: number;
  /** Whose clock: the device's, or that of the host that calls. Absent where there is only the host. */
  readonly timing?: 'device' | 'wall';
  /** Of a GPU's rows: how many calls a sample is of. */
  readonly launches?: number;
  /** Of a GPU's rows: the median time that a call takes of the host, until its work is queued. */
  readonly ms_call?: number;
  /** How many times faster than the unfused composition. */
  readonly vs_reference?: number;
  /** How many times as fast as tf.relu in the same pass: below 1 is slower. */
  readonly vs_stock?: number;
  /** Whether the result was right. */
  readonly ok: boolean;
  /** Why it was not. */
  readonly failure?: string;
}

/** Where a document was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memory_gb: number;
  readonly os: string;
  readonly cache_mb: number;
  /** Of the native library's kernels: `avx512`, `avx2`, `baseline` or `neon`. */
  readonly simd?: string;
  /** The GPU, where one was measured. */
  readonly gpu?: string;
  readonly gpu_driver?: string;
  readonly gpu_memory_gb?: number;
  readonly gpu_l2_mb?: number;
  readonly gpu_sms?: number;
  /** Of the process that measured all but the rows of other allocators. */
  readonly tf_allocator?: Allocator;
  readonly tf_onednn?: 'off' | 'default';
}

/** What a bench prints: one JSON document. */
export interface DocumentOf<Bench extends string, Result> {
  readonly schema: 1;
  readonly bench: Bench;
  /** ISO 8601, in UTC. */
  readonly date: string;
  /** Of the checkout, with `-dirty` where it had changes; absent in an installed package. */
  readonly commit?: string;
  /** What to type to measure this again. */
  readonly command: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  /** What was missing, reduced or left out. */
  readonly notes: readonly string[];
  readonly results: readonly Result[];
}

/** The document of `bench activations`. */
export type BenchDocument = DocumentOf<'activations', Row>;
