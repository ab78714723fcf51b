import type { NativeLibrary } from '../src/native/library.js';
import { type ChosenMapping, findMapping, MAPPED_PASSES, type MappedPass } from '../src/native/mapping.js';
import type { KernelResources } from './cuobjdump.js';

/** What a multiprocessor has (CUDA C++ Programming Guide, Technical Specifications per Compute Capability). */
interface Multiprocessor {
  readonly threads: number;
  readonly blocks: number;
  readonly shared_bytes: number;
}
const REGISTERS = 65_536;
/** Of a warp's registers, and the shared memory that the system takes of each block. */
const [REGISTER_UNIT, RESERVED_SHARED] = [256, 1024];
const MULTIPROCESSORS: Readonly<Record<string, Multiprocessor>> = {
  75: { threads: 1024, blocks: 16, shared_bytes: 64 << 10 },
  80: { threads: 2048, blocks: 32, shared_bytes: 164 << 10 },
  86: { threads: 1536, blocks: 16, shared_bytes: 100 << 10 },
  89: { threads: 1536, blocks: 24, shared_bytes: 100 << 10 },
  90: { threads: 2048, blocks: 32, shared_bytes: 228 << 10 },
  100: { threads: 2048, blocks: 32, shared_bytes: 228 << 10 },
  120: { threads: 1536, blocks: 24, shared_bytes: 100 << 10 },
};

/** Blocks of a kernel that a multiprocessor of an architecture holds at once. */
export function residentBlocks(sm: string, registers: number, shared_bytes: number, threads: number): number {
  const { threads: most, blocks, shared_bytes: shared } = MULTIPROCESSORS[sm]!;
  const warps = Math.ceil(threads / 32);
  const ofWarp = Math.ceil((registers * 32) / REGISTER_UNIT) * REGISTER_UNIT;
  return Math.min(
    blocks,
    Math.floor(most / threads),
    Math.floor(Math.floor(REGISTERS / ofWarp) / warps),
    Math.floor(shared / (shared_bytes + RESERVED_SHARED)),
  );
}

/** What the table's choice for rows of one width comes to on one architecture. */
export interface Choice {
  readonly sm: string;
  readonly pass: MappedPass;
  readonly dtype: 'f32' | 'bf16';
  readonly cols: number;
  readonly mapping: ChosenMapping;
  readonly kernel: string;
  readonly registers: number;
  readonly blocks: number;
  readonly warps: number;
  /** Bytes that a multiprocessor's blocks have asked for and not yet been given, at most. */
  readonly bytes_in_flight: number;
}

/** The widths of the benchmarks' grid that kernels of order 3 are looked at. */
export const GRID_COLS: readonly number[] = [
  8, 32, 64, 128, 512, 1280, 1536, 2048, 4096, 5504, 8192, 8256, 14_336, 16_384, 32_768, 65_536,
];

/** The table's choices over the grid, for the architectures that there are resources of. */
export function choices(native: NativeLibrary, kernels: readonly KernelResources[]): Choice[] {
  const architectures = [...new Set(kernels.map(({ sm }) => sm))].filter((sm) => sm in MULTIPROCESSORS);
  return architectures.flatMap((sm) =>
    MAPPED_PASSES.flatMap((pass) =>
      (['f32', 'bf16'] as const).flatMap((dtype) =>
        GRID_COLS.map((cols) => choice(native, kernels, sm, pass, dtype, cols)),
      ),
    ),
  );
}

function choice(
  native: NativeLibrary,
  kernels: readonly KernelResources[],
  sm: string,
  pass: MappedPass,
  dtype: 'f32' | 'bf16',
  cols: number,
): Choice {
  const item = dtype === 'f32' ? 4 : 2;
  const slots = Math.ceil((cols * item) / 16);
  const mapping = findMapping(native, Number(sm), pass, item, slots);
  const kernel = kernelOf(mapping, dtype);
  const found = kernels.find((candidate) => candidate.kernel === kernel && candidate.sm === sm);
  if (found === undefined) throw new Error(`there is no ${kernel} for sm_${sm}`);
  const { threads, shared_bytes, slots: each } = mapping.launch;
  const blocks = residentBlocks(sm, found.registers, found.shared_bytes + shared_bytes, threads);
  const tensors = 1 + (pass.includes('backward') ? 1 : 0) + (pass.includes('gated') ? 1 : 0);
  // Forward without a gate, rows in registers wait for the next one's.
  const ahead = mapping.path === 'staged' ? mapping.stages : pass === 'forward' ? 2 : 1;
  // The kernel that reads twice loads some slots of a thread at a time.
  const atOnce = each > 0 ? each * ahead : pass.includes('gated') ? 4 : 8;
  return {
    sm,
    pass,
    dtype,
    cols,
    mapping,
    kernel,
    registers: found.registers,
    blocks,
    warps: (blocks * threads) / 32,
    bytes_in_flight: blocks * threads * atOnce * tensors * 16,
  };
}

/** The kernel that a mapping launches, for order 3, as ptxas.ts names it. */
function kernelOf({ path, pass }: ChosenMapping, dtype: 'f32' | 'bf16'): string {
  const direction = pass.includes('backward') ? 'backward' : 'forward';
  const gated = pass.startsWith('gated');
  const storage = `3, ${dtype === 'f32' ? 'float' : '__nv_bfloat16'}, ${gated}`;
  if (path === 'staged') return `polynorm_${direction}_staged_kernel<${storage}>`;
  if (path === 'twice') return `polynorm_${direction}_wide_kernel<${storage}, true>`;
  const most = dtype === 'f32' && pass !== 'gated_backward' ? 8 : 4;
  return `polynorm_${direction}_kernel<${storage}, ${path === 'warp'}, ${most}>`;
}

/** The choices as a table, a line each. */
export function choicesTable(found: readonly Choice[]): string {
  const head =
    'sm   pass            dtype  cols   path    threads slots stages cluster  registers blocks warps  KB in flight';
  const lines = found.map((c) =>
    [
      c.sm.padEnd(4),
      c.pass.padEnd(15),
      c.dtype.padEnd(6),
      String(c.cols).padEnd(6),
      c.mapping.path.padEnd(7),
      String(c.mapping.launch.threads).padStart(7),
      String(c.mapping.launch.slots).padStart(5),
      String(c.mapping.stages).padStart(6),
      String(c.mapping.cluster).padStart(7),
      String(c.registers).padStart(10),
      String(c.blocks).padStart(6),
      String(c.warps).padStart(5),
      (c.bytes_in_flight / 1024).toFixed(0).padStart(13),
    ].join(' '),
  );
  const legend =
    'blocks, warps and KB in flight are those of a multiprocessor; slots: of 16 bytes, a thread and tensor';
  return `${[head, ...lines, legend].join('\n')}\n`;
}
