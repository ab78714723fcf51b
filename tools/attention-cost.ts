/** What the attention's kernels on tensor cores cost: the instructions of a tile, and what of a GPU's peak that leaves. */
import { type Block, blocksOf, isInside, type Loop, loopsOf } from './blocks.js';
import { gpus } from './budget-table.js';
import type { KernelResources } from './cuobjdump.js';
import { residentBlocks } from './occupancy.js';
import type { Sass } from './sass.js';

/** A kernel of attention, as its arguments in C++ tell: `attention_forward_mma_kernel<float, 128>`. */
interface AttentionKernel {
  readonly kernel: string;
  readonly bytes: number;
  readonly width: number;
  /** What a tile takes of useful products, of a row of queries by one of keys each. */
  readonly products: number;
  /** As attention_shape in native/ops/attention/cuda_tile.cuh has them. */
  readonly rows: number;
  readonly warps: number;
  readonly shared: number;
}

/** What a warp does in a tile. */
interface TileCost extends AttentionKernel {
  readonly sm: string;
  readonly registers: number;
  readonly blocks: number;
  readonly instructions: number;
  readonly mma: number;
}

/**
 * Multiply-adds of a matrix in 16 bits that a multiprocessor's tensor cores do in a cycle, times 2; in TF32 half as many.
 * NVIDIA's data sheets, dense: 989 TFLOP/s on H100 and H200, 2,250 on B200, 165 on an RTX 4090, at their clocks. By
 * mma.sync an H100 reaches some 62 % of it (arXiv 2402.13499): the rest needs wgmma. Of B200 no such share is known.
 */
const FLOP_PER_CYCLE: Readonly<Record<string, number>> = { 89: 512, 90: 4096, 100: 8192 };
const SHARE_OF_MMA_SYNC: Readonly<Record<string, number>> = { 90: 0.62 };

function parse(kernel: string): AttentionKernel | undefined {
  const [, pass, type, width, ...rest] =
    /^attention_(forward|queries|keys)_mma_kernel<(\w+), (\d+)(?:, (\w+), (\w+))?>$/.exec(kernel) ?? [];
  if (pass === undefined) return undefined;
  const [bytes, cols] = [type === 'float' ? 4 : 2, Number(width)];
  const short = bytes === 2;
  const pitch = cols * bytes + 16;
  if (pass === 'forward') {
    const rows = short ? (cols > 128 ? 32 : 64) : cols > 128 ? 16 : 32;
    return { kernel, bytes, width: cols, products: 2, rows, warps: 4, shared: (64 + 2 * rows) * pitch };
  }
  const [rows, warps] = [cols > 64 ? 16 : 32, cols > 128 && !short ? 2 : 4];
  const stages = cols > 128 && !short ? 1 : 2;
  const shared = 2 * (16 * warps + stages * rows) * pitch;
  const [dk, dv] = rest.map((given) => given === 'true');
  const products = pass === 'queries' ? 3 : 1 + (dk ? 2 : 0) + (dv ? 1 : 0);
  return { kernel, bytes, width: cols, products, rows, warps, shared };
}

interface Way {
  readonly instructions: number;
  readonly mma: number;
  readonly copies: number;
}

/**
 * The way through a tile: the loop inside all others that has copies, barriers and matrices. Of the ways through it, the
 * one with the most products and copies, and then the shortest: whole tiles of finite numbers, in whole slots.
 */
function tileOf(blocks: readonly Block[], { width, bytes, rows, warps }: AttentionKernel): Way {
  const loops = loopsOf(blocks);
  const has = (loop: Loop, pattern: RegExp): boolean =>
    [...loop.blocks].some((i) => blocks[i]!.instructions.some(({ op }) => pattern.test(op)));
  const tile = loops.find((loop) => [/^HMMA/, /^LDGSTS/, /^BAR/].every((pattern) => has(loop, pattern)));
  if (tile === undefined) throw new Error('no loop over tiles');
  const times = (loop: Loop): number => {
    if (has(loop, /^HMMA/)) return (width * bytes) / 128;
    return has(loop, /^LDGSTS/) ? (rows * width * bytes) / 16 / (warps * 32) : 1;
  };
  const through = ({ head, blocks: region }: Loop): Way => {
    const inner = loops.filter((loop) => isInside(loop, { head, blocks: region })).reverse();
    const known = new Map<number, Way | undefined>();
    const from = (block: number): Way | undefined => {
      if (known.has(block)) return known.get(block);
      known.set(block, undefined);
      const loop = inner.find((one) => one.head === block);
      const here = loop === undefined ? costOf(blocks[block]!) : scaled(through(loop), times(loop));
      const next =
        loop === undefined
          ? blocks[block]!.next
          : [...loop.blocks].flatMap((i) => blocks[i]!.next).filter((to) => !loop.blocks.has(to));
      const ways = next
        .filter((to) => region.has(to))
        .flatMap((to) => (to === head ? [scaled(here, 0)] : (from(to) ?? [])));
      const way = ways.length === 0 ? undefined : sum(here, ways.reduce(better));
      known.set(block, way);
      return way;
    };
    return from(head)!;
  };
  return through(tile);
}

function costOf({ instructions }: Block): Way {
  const count = (pattern: RegExp): number => instructions.filter(({ op }) => pattern.test(op)).length;
  return { instructions: instructions.length, mma: count(/^HMMA/), copies: count(/^LDGSTS/) };
}

function sum(a: Way, b: Way): Way {
  return {
    instructions: a.instructions + b.instructions,
    mma: a.mma + b.mma,
    copies: a.copies + b.copies,
  };
}

function scaled(a: Way, by: number): Way {
  return { instructions: a.instructions * by, mma: a.mma * by, copies: a.copies * by };
}

function better(a: Way, b: Way): Way {
  return (b.mma - a.mma || b.copies - a.copies || a.instructions - b.instructions) > 0 ? b : a;
}

/** What the kernels cost that there is code of, by the demangled name of each. */
export function attentionCosts(
  code: readonly (readonly [string, Sass])[],
  resources: readonly KernelResources[],
): TileCost[] {
  return code.flatMap(([kernel, { sm, instructions }]) => {
    const parsed = parse(kernel);
    const own = resources.find((one) => one.kernel === kernel && one.sm === sm);
    if (parsed === undefined || own === undefined) return [];
    const { instructions: all, mma } = tileOf(blocksOf(instructions), parsed);
    const blocks = residentBlocks(sm, own.registers, parsed.shared, parsed.warps * 32);
    return [{ ...parsed, sm, registers: own.registers, blocks, instructions: all, mma }];
  });
}

/** Whether a kernel, by its demangled name, is one of those. */
export function isAttention(kernel: string): boolean {
  return parse(kernel) !== undefined;
}

/**
 * The table. A scheduler issues an instruction a cycle, and its tensor cores do theirs beside: the longer of the two bounds
 * a tile, where enough warps hide what either waits for.
 */
export function attentionTable(costs: readonly TileCost[]): string {
  const head =
    'sm  kernel                                               registers  shared blocks   mma other  bound by';
  const lines = costs.map((cost) => {
    const { sm, kernel, registers, shared, blocks, instructions, mma } = cost;
    const cells = [
      sm.padEnd(3),
      kernel.padEnd(53),
      String(registers).padStart(8),
      String(shared).padStart(7),
      String(blocks).padStart(6),
      String(mma).padStart(5),
      String(Math.round(instructions - mma)).padStart(5),
    ];
    const bounds = gpus.filter((gpu) => gpu.sm === sm).map((gpu) => `${gpu.name}: ${boundText(cost, gpu)}`);
    return `${cells.join(' ')}  ${bounds.join('; ')}`;
  });
  const legend =
    "mma and other: a warp's instructions in a tile that is seen whole; bound by: what takes longest on a GPU, the tensor " +
    'cores at the rate of the data sheet or the issue of instructions, and the useful TFLOP/s that this leaves at most; in ' +
    'brackets with the share of that rate which mma.sync is known to reach. Nothing of it has been timed.';
  return `${[head, ...lines, legend].join('\n')}\n`;
}

function boundText(
  { sm, bytes, width, rows, products, instructions, mma }: TileCost,
  gpu: (typeof gpus)[number],
) {
  const rate = FLOP_PER_CYCLE[sm]! / (bytes === 4 ? 2 : 1) / 4; // of a scheduler's tensor core
  const per_mma = 2 * 16 * 8 * (32 / bytes);
  const useful = products * 2 * 16 * rows * width;
  const tflops = (cycles: number): string =>
    ((useful / cycles) * 4 * gpu.multiprocessors * gpu.clock_ghz * 1e-3).toFixed(0);
  const tensor = (mma * per_mma) / rate;
  const share = SHARE_OF_MMA_SYNC[sm];
  const real = share === undefined ? '' : ` (${tflops(Math.max(tensor / share, instructions))})`;
  const bound = tensor >= instructions ? 'tensor cores' : 'issue';
  return `${bound}, ${tflops(Math.max(tensor, instructions))} TFLOP/s${real}`;
}
