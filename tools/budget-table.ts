import type { ActivationName } from '../src/activations/table.js';
import type { MappedPass } from '../src/native/mapping.js';

/** What a kernel's fast path must hold to. */
export type Check =
  | 'instructions'
  | 'local memory'
  | '128-bit accesses'
  | 'double'
  | 'conversions in pairs'
  | 'fence'
  | 'residency';

/** The storage that budgets are for. */
export type Storage = 'bf16' | 'f32';

/** What a kernel does not hold to, and why that stands. */
export interface Miss {
  readonly check: Check;
  /** Both by default. */
  readonly dtype?: Storage;
  /** Of instructions: how many it may have instead. */
  readonly most?: number;
  readonly reason: string;
  readonly tried: string;
}

/** Where a kernel is found, and how it goes over its tensors. */
export type Kernel =
  /**
   * An element-wise one, by its formula in C++, and that for 16-bit storage where it is another. `rounds`: a block goes
   * over many tiles, as where it sums.
   */
  | { readonly formula: string; readonly short?: string; readonly rounds?: boolean }
  /** PolyNorm's that the table of mappings takes. */
  | { readonly mapped: MappedPass };

/** A pass of an activation, of order 3, over contiguous tensors. */
export type Budget = Kernel & {
  readonly op: ActivationName;
  /** What tells it from another row of the op. */
  readonly variant?: string;
  readonly pass: 'forward' | 'backward';
  /** Instructions an element in bf16, at most; in f32 1.3 times as many. */
  readonly most: number;
  readonly misses?: readonly Miss[];
};

/** In f32 a slot has half as many elements to share what it costs by itself. */
export const F32_SHARE = 1.3;

/** The columns that PolyNorm's mappings are taken for. */
export const COLS = 4096;

/** The name, as ptxas.ts gives it, of the kernel that takes contiguous tensors element by element. */
export function elementwiseKernel(pass: Budget['pass'], formula: string, type: string): string {
  return `elementwise_${pass}_run_kernel<${formula}, ${type}>`;
}

/** Threads of a block of those. */
export const ELEMENTWISE_THREADS = 256;

type Why = Pick<Miss, 'reason' | 'tried'>;

const carry: Why = {
  reason: 'the sums of a tile are carried into double, and checked for infinities before',
  tried:
    'a carry for two slots instead of each, one comparison for slope and sums, no product beyond the last power',
};
const exactExponential: Why = {
  reason:
    'exp is right to its last digits, of an argument with twice the digits of a float: the tail needs both',
  tried: 'a reciprocal of one instruction; the shorter exp of 16-bit storage is too far off for f32',
};
/** THE table of budgets. */
export const budgets: readonly Budget[] = [
  { op: 'polyrelu', pass: 'forward', formula: 'polyrelu_of<3>', most: 9 },
  {
    ...{ op: 'polyrelu', pass: 'backward', formula: 'polyrelu_of<3>', rounds: true, most: 17 },
    misses: [
      { check: 'instructions', dtype: 'bf16', most: 17.5, ...carry },
      { check: 'double', ...carry },
    ],
  },
  { op: 'silu', pass: 'forward', formula: 'silu', short: 'short_silu', most: 16 },
  {
    ...{ op: 'gelu', pass: 'forward', formula: 'gelu', short: 'short_gelu', most: 22 },
    misses: [{ check: 'instructions', dtype: 'f32', most: 35, ...exactExponential }],
  },
  {
    ...{ op: 'gelu', variant: 'tanh', pass: 'forward' },
    ...{ formula: 'gelu_tanh', short: 'short_gelu_tanh', most: 18 },
    misses: [{ check: 'instructions', dtype: 'f32', most: 41, ...exactExponential }],
  },
  { op: 'swiglu', pass: 'forward', formula: 'gated<silu>', short: 'gated<short_silu>', most: 20 },
  {
    ...{ op: 'swiglu', pass: 'backward', formula: 'gated<silu>', short: 'gated<short_silu>' },
    ...{ rounds: true, most: 34 },
  },
  { op: 'polynorm', pass: 'forward', mapped: 'forward', most: 15 },
  { op: 'polynorm', pass: 'backward', mapped: 'backward', most: 29 },
  { op: 'polynormglu', pass: 'forward', mapped: 'gated_forward', most: 18 },
  { op: 'polynormglu', pass: 'backward', mapped: 'gated_backward', most: 38 },
];

/** What the table of mappings assumes (native/activations/cuda/mappings.h), on each multiprocessor. */
export const RESIDENT_BLOCKS = 2;
export const RESIDENT_WARPS = 16;
export const BYTES_IN_FLIGHT: number = 32 << 10;

/** The architectures whose code is counted, and those of them whose kernels must keep to their budgets. */
export const COUNTED: readonly string[] = ['89', '90', '100'];
export const JUDGED: readonly string[] = ['90', '100'];

/** A GPU that bounds are given for. */
export interface Gpu {
  readonly name: string;
  /** The architecture whose code runs there. */
  readonly sm: string;
  readonly multiprocessors: number;
  readonly clock_ghz: number;
  readonly tb_per_s: number;
}

/**
 * NVIDIA's data sheets: H100 and H200 SXM, HGX B200, Ada GPU architecture (RTX 4090); the clocks are boost clocks, those
 * of H100, H200 and B200 from the sheets' peak rates in FP32. A multiprocessor has four schedulers, each of which issues
 * an instruction of a warp a cycle (CUDA C++ Programming Guide, Compute Capabilities 8.x to 10.x).
 */
export const gpus: readonly Gpu[] = [
  { name: 'H100', sm: '90', multiprocessors: 132, clock_ghz: 1.98, tb_per_s: 3.35 },
  { name: 'H200', sm: '90', multiprocessors: 132, clock_ghz: 1.98, tb_per_s: 4.8 },
  { name: 'B200', sm: '100', multiprocessors: 148, clock_ghz: 1.98, tb_per_s: 8 },
  { name: 'RTX 4090', sm: '89', multiprocessors: 128, clock_ghz: 2.52, tb_per_s: 1.008 },
];
