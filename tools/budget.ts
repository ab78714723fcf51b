import { activations } from '../src/activations/table.js';
import { type Block, blocksOf, loopsOf } from './blocks.js';
import {
  type Budget,
  BYTES_IN_FLIGHT,
  type Check,
  COLS,
  ELEMENTWISE_THREADS,
  elementwiseKernel,
  F32_SHARE,
  JUDGED,
  type Miss,
  RESIDENT_BLOCKS,
  RESIDENT_WARPS,
  type Storage,
} from './budget-table.js';
import type { KernelResources } from './cuobjdump.js';
import { type FastPath, fastPath, type Walk } from './fast-path.js';
import { type Choice, residentBlocks } from './occupancy.js';
import { isDouble, isGpuFence, isLocal, isNarrowStore, isSingleConversion, type Sass } from './sass.js';

/** The kernel that a budget is for, in one storage on one architecture. */
export interface Target {
  readonly budget: Budget;
  readonly dtype: Storage;
  readonly sm: string;
  /** As ptxas.ts names it. */
  readonly kernel: string;
  readonly walk: Walk;
  /** What a multiprocessor holds; bytes in flight where not all of the path's loads are. */
  readonly resident: { readonly blocks: number; readonly warps: number; readonly in_flight?: number };
  /** Whether the table of mappings asks for RESIDENT_WARPS. */
  readonly inRegisters: boolean;
}

/** What a kernel costs. */
export interface Cost extends Target {
  /** An element of each tensor. */
  readonly instructions: number;
  readonly bytes: number;
  /** What it does not hold to, in words. */
  readonly faults: ReadonlyMap<Check, string>;
}

const SIZES: Readonly<Record<Storage, number>> = { bf16: 2, f32: 4 };
const TYPES: Readonly<Record<Storage, string>> = { bf16: '__nv_bfloat16', f32: 'float' };

/**
 * The kernels of a table of budgets on one architecture.
 *
 * @throws {Error} for one that there are no resources of
 */
export function targets(
  table: readonly Budget[],
  sm: string,
  kernels: readonly KernelResources[],
  choices: readonly Choice[],
): Target[] {
  return table.flatMap((budget) =>
    (['bf16', 'f32'] as const).map((dtype): Target => {
      const found = { budget, dtype, sm };
      const matrices = matricesOf(budget);
      if ('mapped' in budget) {
        const { mapping, kernel, blocks, warps, bytes_in_flight } = choices.find(
          (one) => one.sm === sm && one.pass === budget.mapped && one.dtype === dtype && one.cols === COLS,
        )!;
        const { path, launch } = mapping;
        const inRegisters = path === 'warp' || path === 'block';
        const walk: Walk = {
          ...matrices,
          rounds: true,
          ...(path === 'staged' ? { slots: launch.slots } : {}),
        };
        const resident = { blocks, warps, in_flight: bytes_in_flight };
        return { ...found, kernel, walk, resident, inRegisters };
      }
      const formula = dtype === 'bf16' ? (budget.short ?? budget.formula) : budget.formula;
      const kernel = elementwiseKernel(budget.pass, formula, TYPES[dtype]);
      const resources = kernels.find((one) => one.kernel === kernel && one.sm === sm);
      if (resources === undefined) throw new Error(`there is no ${kernel} for sm_${sm}`);
      const blocks = residentBlocks(sm, resources.registers, resources.shared_bytes, ELEMENTWISE_THREADS);
      const resident = { blocks, warps: (blocks * ELEMENTWISE_THREADS) / 32 };
      const walk: Walk = { ...matrices, rounds: budget.rounds ?? false };
      return { ...found, kernel, walk, resident, inRegisters: true };
    }),
  );
}

/** The matrices that a pass reads and writes. */
function matricesOf({ op, pass }: Budget): Pick<Walk, 'reads' | 'writes'> {
  const { kept, inputs, gradients, outputs, differentiable, parameters } = activations[op];
  const count = (names: readonly string[]): number => names.filter((name) => !(name in parameters)).length;
  if (pass === 'forward') return { reads: count(inputs), writes: outputs.length };
  return { reads: count(kept) + differentiable.length, writes: count(gradients) };
}

/** What a kernel of the table costs, and what it does not hold to. */
export function costOf(target: Target, sass: Sass): Cost {
  const { dtype, sm, walk } = target;
  const blocks = blocksOf(sass.instructions);
  const path = fastPath(blocks, walk);
  const elements = path.bytes.store / SIZES[dtype] / walk.writes;
  const instructions = path.instructions / elements;
  const bytes = SIZES[dtype] * (walk.reads + walk.writes);
  const faults = JUDGED.includes(sm) ? faultsOf(target, sass, blocks, path, instructions) : [];
  return { ...target, instructions, bytes, faults: new Map(faults) };
}

function faultsOf(
  { budget, dtype, walk, resident, inRegisters }: Target,
  { instructions: all }: Sass,
  code: readonly Block[],
  { steps, bytes }: FastPath,
  instructions: number,
): (readonly [Check, string])[] {
  const path = steps.flatMap(({ block }) => code[block]!.instructions);
  const inLoops = loopsOf(code).flatMap(({ blocks }) => [...blocks].flatMap((i) => code[i]!.instructions));
  const most = mostOf(budget, dtype);
  const loaded = bytes.load + bytes.copy;
  const narrow = path.filter(isNarrowStore).length;
  const [doubles, singles] = [path.filter(isDouble).length, path.filter(isSingleConversion).length];
  const { blocks, warps, in_flight = warps * 32 * loaded } = resident;
  const few =
    blocks < RESIDENT_BLOCKS || in_flight < BYTES_IN_FLIGHT || (inRegisters && warps < RESIDENT_WARPS);
  const checks: (readonly [Check, boolean, string])[] = [
    ['instructions', !(instructions <= most), `${instructions.toFixed(2)}, and at most ${most.toFixed(1)}`],
    ['local memory', all.some(isLocal), `${all.filter(isLocal).length} accesses`],
    [
      '128-bit accesses',
      bytes.store === 0 || narrow > 0 || loaded < (bytes.store / walk.writes) * walk.reads,
      `a thread loads ${loaded} bytes and stores ${bytes.store} so, and has ${narrow} narrower stores`,
    ],
    ['double', doubles > 0, `${doubles} instructions on the fast path`],
    ['conversions in pairs', singles > 0, `${singles} of one element alone`],
    ['fence', inLoops.some(isGpuFence), 'one for the whole GPU in a loop'],
    ['residency', few, `${blocks} blocks, ${warps} warps, ${(in_flight / 1024).toFixed(0)} KB in flight`],
  ];
  return checks.filter(([, wrong]) => wrong).map(([check, , text]) => [check, text]);
}

/** Instructions an element, at most. */
export function mostOf({ most }: Budget, dtype: Storage): number {
  return dtype === 'f32' ? F32_SHARE * most : most;
}

/** What is wrong with costs: what does not hold and is not in the table, and what is there and holds. */
export function complaints(costs: readonly Cost[], table: readonly Budget[]): string[] {
  const open = costs.flatMap((cost) =>
    Array.from(cost.faults)
      .filter(([check]) => {
        const miss = missOf(cost, check);
        return miss === undefined || cost.instructions > (miss.most ?? Number.POSITIVE_INFINITY);
      })
      .map(([check, text]) => `${nameOf(cost)}: ${check}: ${text}`),
  );
  const stale = table.flatMap((budget) => {
    const own = costs.filter((cost) => cost.budget === budget);
    const missed = own.flatMap((cost) => [...cost.faults.keys()].map((check) => missOf(cost, check)));
    return (budget.misses ?? [])
      .filter((miss) => !missed.includes(miss))
      .map(({ check, dtype }) => {
        const where = [labelOf(budget), ...(dtype === undefined ? [] : [dtype])].join(' ');
        return `${where}: ${check}: nothing is missed any more: take the miss out of the table`;
      });
  });
  return [...open, ...stale];
}

/** The table's line for what a kernel does not hold to. */
export function missOf({ budget, dtype }: Target, check: Check): Miss | undefined {
  return budget.misses?.find((miss) => miss.check === check && (miss.dtype ?? dtype) === dtype);
}

/** `GELU tanh forward`. */
export function labelOf({ op, variant, pass }: Budget): string {
  return [activations[op].label, ...(variant === undefined ? [] : [variant]), pass].join(' ');
}

/** `GELU tanh forward bf16 (sm_90)`. */
export function nameOf({ budget, dtype, sm }: Target): string {
  return `${labelOf(budget)} ${dtype} (sm_${sm})`;
}
