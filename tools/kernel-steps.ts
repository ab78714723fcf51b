/**
 * What each step of docs/kernels/steps.cu costs, in instructions an element of a row of 4,096, as the table that
 * docs/kernels.md shows: `npx tsx tools/kernel-steps.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { lastLines, runCommand } from '../src/common/command.js';
import { packageFolder } from '../src/common/package.js';
import { type Block, blocksOf, isInside, type Loop, loopsOf } from './blocks.js';
import { COLS, gpus } from './budget-table.js';
import { boundOn } from './budget-text.js';
import { parseResources } from './cuobjdump.js';
import { cuobjdump, disassemble, findNvdisasm } from './disassemble.js';
import { fastPath } from './fast-path.js';
import type { Instruction } from './sass.js';

/** A step: its kernel, the elements of a row that a thread takes, and the bytes that an element moves to or from memory. */
interface Step {
  readonly kernel: string;
  readonly elements: number;
  readonly bytes: number;
}

const THREADS = 256;
/** A warp's lanes lie a row apart: each element brings a sector of 32 bytes along, on each of three accesses. */
const SECTORS = 3 * 32;

const STEPS: readonly Step[] = [
  { kernel: 'naive', elements: COLS, bytes: SECTORS },
  { kernel: 'block_a_row', elements: COLS / THREADS, bytes: 4 },
  { kernel: 'in_slots', elements: COLS / THREADS, bytes: 4 },
  { kernel: 'in_registers', elements: COLS / THREADS, bytes: 4 },
  { kernel: 'folded', elements: COLS / THREADS, bytes: 4 },
];

/** What a step costs. */
export interface StepCost extends Step {
  readonly instructions: number;
  readonly registers: number;
}

/** The steps' costs on sm_90; undefined where nvcc or nvdisasm is missing. */
export async function stepCosts(): Promise<StepCost[] | undefined> {
  const nvdisasm = findNvdisasm();
  const compiler = process.env.CUDACXX ?? 'nvcc';
  if (nvdisasm === undefined || (await runCommand(compiler, ['--version'])).missing) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'polycom-steps-'));
  try {
    const library = join(folder, 'steps.so');
    const source = join(packageFolder, 'docs', 'kernels', 'steps.cu');
    const flags = ['-std=c++17', '-O3', '-arch=sm_90', '-shared', '-Xcompiler', '-fPIC'];
    const built = await runCommand(compiler, [...flags, '-o', library, source]);
    if (built.status !== 0) throw new Error(`${source} does not compile:\n${lastLines(built)}`);
    const found = parseResources(await cuobjdump(library, ['--dump-resource-usage']));
    const code = await disassemble(
      nvdisasm,
      library,
      '90',
      found.map(({ kernel }) => kernel),
    );
    return STEPS.map((step) => {
      const named = ({ kernel }: { readonly kernel: string }): boolean =>
        kernel.includes(`${step.kernel.length}${step.kernel}E`);
      const blocks = blocksOf(code.find(named)!.instructions);
      return {
        ...step,
        instructions: instructionsOf(blocks, step.elements),
        registers: found.find(named)!.registers,
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Instructions an element. Where loops go over the elements: those outside them once, and of the loops for each pass the
 * one that takes most elements a round, as often as the elements need.
 */
function instructionsOf(blocks: readonly Block[], elements: number): number {
  const loops = loopsOf(blocks);
  const passes = new Map<boolean, { readonly instructions: number; readonly taken: number }>();
  for (const loop of loops.filter((one) => !loops.some((other) => isInside(other, one)))) {
    const inside = [...loop.blocks].flatMap((block) => blocks[block]!.instructions);
    const taken = inside.reduce((sum, one) => sum + loadedElements(one), 0);
    const stores = inside.some(({ op }) => /^STG\b/.test(op));
    if (taken > (passes.get(stores)?.taken ?? 0))
      passes.set(stores, { instructions: shortestRound(blocks, loop), taken });
  }
  if (passes.size === 0)
    return fastPath(blocks, { rounds: false, reads: 1, writes: 1 }).instructions / elements;
  const inLoops = [...passes.values()].reduce(
    (sum, { instructions, taken }) => sum + instructions / taken,
    0,
  );
  return inLoops + shortestWay(blocks) / elements;
}

/** Elements of bf16 that an instruction loads from global memory. */
function loadedElements({ op }: Instruction): number {
  if (!/^LDG\b/.test(op)) return 0;
  return op.endsWith('.128') ? 8 : 1;
}

function shortestRound(blocks: readonly Block[], { head, blocks: inside }: Loop): number {
  return shortest(blocks, head, (to) => inside.has(to), head);
}

/** From the kernel's beginning to its end, past the loops. */
function shortestWay(blocks: readonly Block[]): number {
  const end = blocks.findLastIndex(({ instructions }) => {
    const last = instructions.at(-1)!;
    return last.op === 'EXIT' && !last.guarded;
  });
  return shortest(blocks, 0, () => true, end) + blocks[end]!.instructions.length;
}

/** The fewest instructions from the beginning of a block to that of another. */
function shortest(
  blocks: readonly Block[],
  from: number,
  allowed: (block: number) => boolean,
  to: number,
): number {
  const least = new Map<number, number>();
  const pending: [block: number, before: number][] = [[from, 0]];
  let found = Number.POSITIVE_INFINITY;
  while (pending.length > 0) {
    const [block, before] = pending.pop()!;
    if (before >= (least.get(block) ?? Number.POSITIVE_INFINITY)) continue;
    least.set(block, before);
    const { instructions, next } = blocks[block]!;
    for (const one of next) {
      if (one === to) found = Math.min(found, before + instructions.length);
      else if (allowed(one)) pending.push([one, before + instructions.length]);
    }
  }
  return found;
}

/** The costs as a table of Markdown. */
export function stepsTable(costs: readonly StepCost[]): string {
  const h200 = gpus.find(({ name }) => name === 'H200')!;
  const rows = costs.map((cost, i) => {
    const { kernel, instructions, bytes, registers } = cost;
    const { memory } = boundOn(h200, { bytes: 4, instructions });
    const took = boundOn(h200, cost);
    const share = Math.min(1, memory / Math.max(took.memory, took.issue));
    const cells = [`${i + 1}`, `\`${kernel}\``, instructions.toFixed(1), `${bytes}`, `${registers}`];
    return `| ${[...cells, `${(100 * share).toFixed(0)} %`].join(' | ')} |`;
  });
  return [
    '| step | kernel | instructions an element | bytes an element | registers | share of the roof, at most |',
    '| ---: | ------ | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const costs = await stepCosts();
  if (costs === undefined) process.stdout.write('skipped: no nvcc, or no nvdisasm\n');
  else process.stdout.write(stepsTable(costs));
}
