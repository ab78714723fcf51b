import type { TrainRow } from 'polycom/bench';
import { duration, span, times } from 'polycom/bench';
import { labelOf } from 'polycom/model';
import type { Charts } from 'polycom/report';
import { drawBars, escapeHtml, formatFigure } from 'polycom/report';
import type { CostResult, FlopsRow, MemoryRow, StepMemoryRow } from '../cost/index.js';
import { DENSE } from '../plan/names.js';
import { share } from './numbers.js';
import { colorOf } from './palette.js';
import { type Column, formatTable } from './table.js';

/** As the rest of the report has it. */
function nameOf(activation: string): string {
  return DENSE[activation] ?? labelOf(activation);
}

/** What activations cost: arithmetic by formula, memory by formula and measured, and steps timed. */
export function formatCost(cost: CostResult, charts: Charts): string {
  const { notes } = cost;
  return `${formatMeasured(cost, charts)}
<h3>Arithmetic</h3>
<p class="muted">Operations of the formula as it is written, and of this package’s kernels (Horner’s rule, coefficients folded with the norms). Share · H is the
activation’s operations over those of its network’s matrices, times the width H, whatever H. The paper’s own ratios, in its appendix, were not at hand.</p>
${formatTable<FlopsRow>(FLOPS, cost.flopsOfPaper)}
${formatMemory(cost)}
${notes.length === 0 ? '' : `<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`}`;
}

const FLOPS: readonly Column<FlopsRow>[] = [
  { title: 'activation', cell: ({ activation }) => nameOf(activation) },
  { title: 'an element, as written', align: 'right', cell: ({ perElement }) => String(perElement) },
  { title: 'by the kernels', align: 'right', cell: ({ perElementFused }) => String(perElementFused) },
  { title: 'width', align: 'right', cell: ({ width }) => String(width) },
  { title: 'hidden', align: 'right', cell: ({ hidden }) => String(Math.round(hidden)) },
  { title: 'share of the network', align: 'right', cell: (row) => `${(100 * row.share).toFixed(3)} %` },
  { title: 'share · H', align: 'right', cell: ({ shareTimesWidth }) => shareTimesWidth.toFixed(2) },
];

function formatMeasured(
  { steps, stepMemory, preset, batch, time, backend }: CostResult,
  charts: Charts,
): string {
  const right = steps.filter(({ ok, ms_p50 }) => ok && ms_p50 !== undefined);
  if (right.length === 0 && stepMemory.length === 0) return '';
  const bars = right.map(({ activation, ms_p50 }) => ({
    name: nameOf(activation),
    value: ms_p50!,
    text: duration(ms_p50!),
    color: colorOf(activation),
  }));
  const peaks = stepMemory.map(({ activation, peakBytes }) => ({
    name: nameOf(activation),
    value: peakBytes.block / 2 ** 20,
    text: `${(peakBytes.block / 2 ** 20).toFixed(1)} MiB`,
    color: colorOf(activation),
  }));
  const panels = [
    { title: 'median time of a step', drawn: bars, axis: 'milliseconds' },
    {
      title: 'most that a step’s tensors take at once',
      drawn: peaks,
      axis: 'MiB beside parameters and moments',
    },
  ].filter(({ drawn }) => drawn.length > 0);
  const figure = formatFigure({
    title: `A training step of the ${preset} model`,
    caption: `${batch} sequences of ${time} tokens, on ${backend ?? 'nothing'}; timed in turns in one process. Published of step times and memory: nothing that was to be found.`,
    legend: [],
    panels: panels.map(({ title, drawn, axis }) => ({
      title,
      draw: (width: number) => drawBars(charts, drawn, { width, axis }),
    })),
  });
  return `${figure}\n${formatTable<TrainRow>(STEPS, steps)}`;
}

const STEPS: readonly Column<TrainRow>[] = [
  { title: 'activation', cell: ({ activation }) => nameOf(activation) },
  { title: 'variant', cell: ({ variant }) => variant },
  {
    title: 'step, median',
    align: 'right',
    cell: ({ ms_p50: ms }) => (ms === undefined ? 'failed' : duration(ms)),
  },
  {
    title: 'p20–p80',
    align: 'right',
    cell: ({ ms_p20, ms_p80 }) => (ms_p20 === undefined || ms_p80 === undefined ? '' : span(ms_p20, ms_p80)),
  },
  {
    title: 'tokens a second',
    align: 'right',
    cell: ({ tok_per_s: rate }) => (rate === undefined ? '' : Math.round(rate).toLocaleString('en-US')),
  },
  {
    title: 'speed of ReLU’s',
    align: 'right',
    cell: ({ vs_relu: ratio }) => (ratio === undefined ? '' : times(ratio)),
  },
];

function formatMemory({ memory, memoryShape, stepMemory }: CostResult): string {
  if (memory.length === 0) return '';
  const { rows, cols } = memoryShape;
  const bytes = (value: number | null): string => (value === null ? '' : value.toFixed(1));
  const mib = (value: number): string => `${(value / 2 ** 20).toFixed(1)} MiB`;
  const activation = {
    title: 'activation',
    cell: (row: { activation: string }) => nameOf(row.activation),
  };
  const least = (row: StepMemoryRow): string => share(1 - row.peakBytes.recompute / row.peakBytes.tape);
  return `<h3>Memory</h3>
<p class="muted">Kept from forward to backward, in bytes an element of the hidden width, float32, inputs included; measured at ${rows} × ${cols}. The tape keeps every intermediate of a
composition; with recompute its input alone; the fused kernels keep no more than that.</p>
${formatTable<MemoryRow>(
  [
    activation,
    { title: 'tape, by formula', align: 'right', cell: ({ analytic }) => bytes(analytic.tape) },
    { title: 'measured', align: 'right', cell: ({ kept }) => bytes(kept.tape) },
    { title: 'recompute, by formula', align: 'right', cell: ({ analytic }) => bytes(analytic.recompute) },
    { title: 'measured', align: 'right', cell: ({ kept }) => bytes(kept.recompute) },
    { title: 'fused', align: 'right', cell: ({ kept }) => bytes(kept.fused) },
    { title: 'peak: tape', align: 'right', cell: ({ peak }) => bytes(peak.tape) },
    { title: 'recompute', align: 'right', cell: ({ peak }) => bytes(peak.recompute) },
    { title: 'fused', align: 'right', cell: ({ peak }) => bytes(peak.fused) },
  ],
  memory,
)}
${
  stepMemory.length === 0
    ? ''
    : `<h4>Of a whole training step, at most at once</h4>
${formatTable<StepMemoryRow>(
  [
    activation,
    { title: 'everything on the tape', align: 'right', cell: ({ peakBytes }) => mib(peakBytes.tape) },
    { title: 'a block’s chosen list', align: 'right', cell: ({ peakBytes }) => mib(peakBytes.block) },
    { title: 'with recompute', align: 'right', cell: ({ peakBytes }) => mib(peakBytes.recompute) },
    { title: 'saved', align: 'right', cell: least },
  ],
  stepMemory,
)}`
}`;
}
