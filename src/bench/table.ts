import { contenderName, type Group, groupRows, passName } from './document.js';
import { type Align, alignColumns, duration, percent, span, threeDigits, times } from './format.js';
import type { BenchDocument, Machine, Row } from './types.js';

/** A column of the table of measurements, on the terminal and in the report. */
export interface Column {
  readonly title: string;
  readonly align: Align;
  readonly cell: (row: Row) => string;
}

const when = (value: number | undefined, format: (value: number) => string): string =>
  value === undefined ? '' : format(value);

/** What is shown of every measurement. */
export const allColumns: readonly Column[] = [
  { title: '', align: 'left', cell: contenderName },
  { title: 'pass', align: 'left', cell: ({ pass }) => passName(pass) },
  { title: 'median', align: 'right', cell: ({ ms_p50 }) => when(ms_p50, duration) },
  {
    title: 'p20–p80',
    align: 'right',
    cell: ({ ms_p20, ms_p80, failure }) =>
      ms_p20 === undefined ? `FAILED: ${failure}` : span(ms_p20, ms_p80!),
  },
  { title: 'GB/s', align: 'right', cell: ({ gb_per_s }) => when(gb_per_s, threeDigits) },
  { title: 'a call', align: 'right', cell: ({ ms_call }) => when(ms_call, duration) },
  { title: 'of copy', align: 'right', cell: ({ of_copy }) => when(of_copy, percent) },
  { title: 'of stream', align: 'right', cell: ({ of_stream }) => when(of_stream, percent) },
  { title: 'predicted', align: 'right', cell: ({ predicted }) => when(predicted, percent) },
  { title: 'bound by', align: 'left', cell: ({ bound = '' }) => bound },
  { title: 'from L1', align: 'right', cell: ({ l1_gb_per_s }) => when(l1_gb_per_s, threeDigits) },
  { title: 'of L1', align: 'right', cell: ({ of_l1 }) => when(of_l1, percent) },
  { title: 'vs composed', align: 'right', cell: ({ vs_reference }) => when(vs_reference, times) },
  { title: 'vs tf.relu', align: 'right', cell: ({ vs_stock }) => when(vs_stock, times) },
];

/** The columns that a table of these rows fills. */
export function filledColumns(rows: readonly Row[]): Column[] {
  return allColumns.filter(({ title, cell }) => title === '' || rows.some((row) => cell(row) !== ''));
}

/** The document as a table for a terminal. */
export function formatTable(
  document: BenchDocument,
  bold: (text: string) => string = (text) => text,
): string {
  const { machine, notes, commit } = document;
  const heading = headingOf(machine, commit);
  const columns = filledColumns(document.results);
  const groups = groupRows(document.results);
  const lines = alignColumns(
    [
      columns.map(({ title }) => title),
      ...document.results.map((row) => columns.map(({ cell }) => cell(row))),
    ],
    columns.map(({ align }) => align),
  );
  const [titles, ...rest] = lines;
  const body = groups.flatMap((group) => ['', bold(group.title), titles!, ...linesOf(group, document, rest)]);
  return [
    heading,
    ...body,
    ...(notes.length === 0 ? [] : ['', ...notes.map((note) => `note: ${note}`)]),
    '',
  ].join('\n');
}

/** What a document was measured on, in a line. */
export function headingOf({ cpu, cpus, gpu }: Machine, commit: string | undefined): string {
  return [
    `${cpu}, ${cpus} CPUs`,
    ...(gpu === undefined ? [] : [gpu]),
    ...(commit === undefined ? [] : [`commit ${commit}`]),
  ].join(', ');
}

function linesOf(group: Group, { results }: BenchDocument, lines: readonly string[]): string[] {
  return group.rows.map((row) => lines[results.indexOf(row)]!);
}
