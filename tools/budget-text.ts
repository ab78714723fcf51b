import { type Cost, labelOf, missOf, mostOf } from './budget.js';
import { type Gpu, gpus } from './budget-table.js';

/** Instructions of warps that a multiprocessor issues a cycle. */
const SCHEDULERS = 4;

/** Seconds an element, by what they go on. */
export function boundOn(
  gpu: Gpu,
  { bytes, instructions }: Pick<Cost, 'bytes' | 'instructions'>,
): { memory: number; issue: number } {
  const { tb_per_s, multiprocessors, clock_ghz } = gpu;
  return {
    memory: bytes / (tb_per_s * 1e12),
    issue: instructions / 32 / (multiprocessors * SCHEDULERS * clock_ghz * 1e9),
  };
}

/** What bounds a kernel on a GPU, and what share of that time the other takes: `memory, issue 61 %`. */
export function boundText(gpu: Gpu, cost: Pick<Cost, 'bytes' | 'instructions'>): string {
  const { memory, issue } = boundOn(gpu, cost);
  const share = (a: number, b: number): string => `${((100 * a) / b).toFixed(0).padStart(3)} %`;
  return memory >= issue ? `memory, issue ${share(issue, memory)}` : `issue, memory ${share(memory, issue)}`;
}

/** Costs as a table, a line each, with the bounds on the GPUs of its architecture; what is missed, and why, below it. */
export function budgetTable(costs: readonly Cost[]): string {
  const width = Math.max(...costs.map(({ budget }) => labelOf(budget).length));
  const head = `sm   ${'kernel'.padEnd(width)} dtype instructions  most bytes blocks warps  bound by`;
  const lines = costs.map((cost) => {
    const { sm, budget, dtype, instructions, bytes, resident } = cost;
    return [
      sm.padEnd(4),
      labelOf(budget).padEnd(width),
      dtype.padEnd(5),
      instructions.toFixed(2).padStart(12),
      mostOf(budget, dtype).toFixed(1).padStart(5),
      String(bytes).padStart(5),
      String(resident.blocks).padStart(6),
      String(resident.warps).padStart(5),
      ` ${boundsText(cost)}`,
    ].join(' ');
  });
  const missed = costs.flatMap((cost) =>
    Array.from(cost.faults, ([check, fault]) => {
      const miss = missOf(cost, check);
      const why = miss === undefined ? 'in no line of the table' : `${miss.reason}; tried: ${miss.tried}`;
      return `${cost.sm.padEnd(4)} ${labelOf(cost.budget)} ${cost.dtype}: ${check}: ${fault}: ${why}`;
    }),
  );
  const legend =
    'instructions (at most) and bytes are those of an element; blocks and warps those of a multiprocessor; bound by: what ' +
    'takes longest on a GPU, and the share of that time which the other would take, at the rates of its data sheet';
  return `${[head, ...lines, ...missed, legend].join('\n')}\n`;
}

function boundsText(cost: Cost): string {
  const served = gpus.filter(({ sm }) => sm === cost.sm);
  return served.map((gpu) => `${gpu.name}: ${boundText(gpu, cost)}`).join('; ');
}

/** The bounds on GPUs whose architecture there are no counts of, by those of sm_90; empty where there is none such. */
export function borrowedBounds(costs: readonly Cost[]): string {
  const lacking = gpus.filter(({ sm }) => !costs.some((cost) => cost.sm === sm));
  const lines = lacking.flatMap((gpu) => [
    `${gpu.name}, by the counts of sm_90, for there is no code for sm_${gpu.sm}:`,
    ...costs
      .filter(({ sm }) => sm === '90')
      .map((cost) => `  ${labelOf(cost.budget)} ${cost.dtype}: bound by ${boundText(gpu, cost)}`),
  ]);
  return lines.map((line) => `${line}\n`).join('');
}
