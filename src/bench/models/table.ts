import { labelOf } from '../../activations/labels.js';
import { type Align, alignColumns, duration, percent, span, threeDigits, times } from '../format.js';
import { headingOf } from '../table.js';
import type { Allocator } from '../types.js';
import type { GenerateRow, ModelDocument, ModelVariant, TrainRow } from './types.js';

type Row = TrainRow | GenerateRow;

/** A column of the tables of models, on the terminal and in the report. */
export interface ModelColumn {
  readonly title: string;
  readonly align: Align;
  readonly cell: (row: Row) => string;
}

const VARIANTS: Readonly<Record<string, string>> = {
  fused: 'fused',
  composed: 'composed of tf ops',
  stock: 'stock tfjs-node',
};

/** A variant for people. */
export function variantLabel(variant: ModelVariant): string {
  return VARIANTS[variant] ?? variant.replace('peer:', '').replace('pytorch', 'PyTorch').replaceAll('-', ' ');
}

const when = (value: number | undefined, format: (value: number) => string): string =>
  value === undefined ? '' : format(value);
const train =
  (cell: (row: TrainRow) => string) =>
  (row: Row): string =>
    'time' in row ? cell(row) : '';
const megabytes = (bytes: number): string => `${threeDigits(bytes / 1e6)} MB`;

/** What is shown of every measurement of a model. */
export const modelColumns: readonly ModelColumn[] = [
  { title: '', align: 'left', cell: (row) => labelOf(row.activation) },
  { title: 'variant', align: 'left', cell: ({ variant }) => variantLabel(variant) },
  { title: 'phase', align: 'left', cell: (row) => ('phase' in row ? row.phase : '') },
  { title: 'batch', align: 'right', cell: ({ batch }) => String(batch) },
  {
    title: 'tok/s',
    align: 'right',
    cell: ({ tok_per_s, failure }) =>
      failure === undefined ? when(tok_per_s, threeDigits) : `FAILED: ${failure}`,
  },
  { title: 'median', align: 'right', cell: ({ ms_p50 }) => when(ms_p50, duration) },
  {
    title: 'p20–p80',
    align: 'right',
    cell: ({ ms_p20, ms_p80 }) => when(ms_p20, (from) => span(from, ms_p80!)),
  },
  { title: 'forward', align: 'right', cell: train(({ ms_forward }) => when(ms_forward, duration)) },
  { title: 'backward', align: 'right', cell: train(({ ms_backward }) => when(ms_backward, duration)) },
  { title: 'optimizer', align: 'right', cell: train(({ ms_optimizer }) => when(ms_optimizer, duration)) },
  { title: 'host', align: 'right', cell: train(({ ms_host }) => when(ms_host, duration)) },
  { title: 'matmul', align: 'right', cell: train(({ ms_matmul }) => when(ms_matmul, duration)) },
  { title: 'peak', align: 'right', cell: train(({ peak_bytes }) => when(peak_bytes, megabytes)) },
  { title: 'MFU', align: 'right', cell: train(({ mfu }) => when(mfu, percent)) },
  { title: 'vs stock', align: 'right', cell: ({ vs_stock }) => when(vs_stock, times) },
  { title: 'vs ReLU', align: 'right', cell: ({ vs_relu }) => when(vs_relu, (ratio) => ratio.toFixed(2)) },
];

/** The columns that a table of these rows fills. */
export function usedColumns(rows: readonly Row[]): ModelColumn[] {
  return modelColumns.filter(({ title, cell }) => title === '' || rows.some((row) => cell(row) !== ''));
}

/** Rows that were measured together, with what they have in common. */
export function groupModelRows({ results }: ModelDocument): { title: string; rows: Row[] }[] {
  const groups = new Map<string, Row[]>();
  for (const row of results as readonly Row[]) {
    const title = groupTitle(row);
    groups.set(title, [...(groups.get(title) ?? []), row]);
  }
  return Array.from(groups, ([title, rows]) => ({ title, rows }));
}

const ALLOCATORS: Readonly<Record<Allocator, string>> = {
  bfc: "TensorFlow's reusing allocator",
  default: "TensorFlow's default allocator",
  'default-no-onednn': "TensorFlow's default allocator, no oneDNN",
};

function groupTitle(row: Row): string {
  const size =
    'time' in row
      ? `Training, ${row.batch} × ${row.time} tokens a step`
      : `Generating after ${row.length} tokens`;
  const memory = row.allocator === undefined ? '' : `, ${ALLOCATORS[row.allocator]}`;
  const device = row.device === 'cpu' ? '' : `, ${row.device}`;
  return `${size}, preset ${row.preset}, in ${row.backend}${device}${memory}`;
}

/** The document as a table for a terminal. */
export function formatModelTable(
  document: ModelDocument,
  bold: (text: string) => string = (text) => text,
): string {
  const { machine, notes, commit } = document;
  const heading = headingOf(machine, commit);
  const body = groupModelRows(document).flatMap(({ title, rows }) => {
    const used = usedColumns(rows);
    const cells = [
      used.map((column) => column.title),
      ...rows.map((row) => used.map(({ cell }) => cell(row))),
    ];
    return [
      '',
      bold(title),
      ...alignColumns(
        cells,
        used.map(({ align }) => align),
      ),
    ];
  });
  const peaks = document.results.flatMap((row) =>
    'peak_named' in row && row.peak_named ? [row.peak_named] : [],
  );
  const mfu = [...new Set(peaks)].map((peak) => `MFU is a share of ${peak}`);
  const lines = [...mfu, ...notes].map((note) => `note: ${note}`);
  return [heading, ...body, ...(lines.length === 0 ? [] : ['', ...lines]), ''].join('\n');
}
