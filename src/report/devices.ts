import { labelOf } from '../activations/labels.js';
import { opName, passName } from '../bench/document.js';
import { duration, percent, threeDigits, times } from '../bench/format.js';
import { isModelDocument } from '../bench/models/document.js';
import type { GenerateRow, ModelDocument, TrainRow } from '../bench/models/types.js';
import { shapeName } from '../bench/shapes.js';
import type { BenchDocument } from '../bench/types.js';
import { escapeHtml } from './parts.js';
import { extreme, isTimed, type TimedRow } from './select.js';

type ModelRow = (TrainRow | GenerateRow) & { readonly ms_p50: number; readonly tok_per_s: number };

/** The same on a CPU and on a GPU. */
interface Pair<Row> {
  readonly cpu: Row;
  readonly gpu: Row;
}

/**
 * What was measured both on a CPU and on a GPU, in one of the documents or in two of them, side by side; nothing where
 * there is no such thing. The emulator is no GPU.
 */
export function formatDevices(documents: readonly (BenchDocument | ModelDocument)[]): string {
  const activations = documents.flatMap((document) =>
    isModelDocument(document) ? [] : document.results.filter(isTimed),
  );
  const models = documents.flatMap((document) =>
    isModelDocument(document) ? (document.results as (TrainRow | GenerateRow)[]).filter(isMeasured) : [],
  );
  const tables = [...activationTables(activations), ...modelTables(models)];
  if (tables.length === 0) return '';
  return `<h2>CPU and GPU</h2>
<p class="muted">Medians of the same work; the GPU's, driven directly, by its own clock. The machines are named below.</p>
${tables.join('\n')}`;
}

function activationTables(rows: readonly TimedRow[]): string[] {
  const fused = rows.filter(({ variant }) => variant === 'fused');
  return (['native', 'tensorflow'] as const).flatMap((backend) => {
    const pairs = pairsOf(
      fused.filter((row) => row.backend === backend && (row.allocator ?? 'bfc') === 'bfc'),
      ({ op, pass, rows: height, cols, dtype }) => [op, pass, height, cols, dtype].join(),
    );
    const shape = extreme(
      pairs.map(({ cpu }) => cpu),
      'largest',
    );
    if (shape === undefined) return [];
    const here = backend === 'native' ? 'driven directly' : 'inside tfjs-node';
    const members = pairs.filter(({ cpu }) => shapeName(cpu) === shapeName(shape));
    const lines = members.map(({ cpu, gpu }) => [
      opName(cpu),
      passName(cpu.pass),
      cpu.dtype,
      duration(cpu.ms_p50),
      duration(gpu.ms_p50),
      times(cpu.ms_p50 / gpu.ms_p50),
      shareOf(cpu),
      shareOf(gpu),
    ]);
    const titles = [
      '',
      'pass',
      'dtype',
      'CPU',
      'GPU',
      'faster',
      "CPU, of its stream's",
      "GPU, of its stream's",
    ];
    return [tableOf(`Activations ${here}, ${shapeName(shape)}`, titles, lines)];
  });
}

function shareOf({ of_stream }: TimedRow): string {
  return of_stream === undefined ? '' : percent(of_stream);
}

function modelTables(rows: readonly ModelRow[]): string[] {
  const pairs = pairsOf(
    rows.filter((row) => (row.allocator ?? 'bfc') === 'bfc'),
    (row) =>
      [
        'phase' in row ? `${row.phase} ${row.length}` : row.time,
        row.preset,
        row.activation,
        row.variant,
        row.batch,
      ].join(),
  );
  if (pairs.length === 0) return [];
  const lines = pairs.map(({ cpu, gpu }) => [
    labelOf(cpu.activation),
    cpu.variant,
    'phase' in cpu ? cpu.phase : 'training',
    String(cpu.batch),
    threeDigits(cpu.tok_per_s),
    threeDigits(gpu.tok_per_s),
    times(cpu.ms_p50 / gpu.ms_p50),
  ]);
  const titles = ['', 'variant', 'phase', 'batch', 'CPU, tokens/s', 'GPU, tokens/s', 'faster'];
  return [tableOf('The transformer', titles, lines)];
}

function isMeasured(row: TrainRow | GenerateRow): row is ModelRow {
  return row.ok;
}

/** Rows with the same key on both; of several on one device the last. */
function pairsOf<Row extends { readonly device: string }>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): Pair<Row>[] {
  const on = (device: string) =>
    new Map(rows.filter((row) => row.device === device).map((row) => [keyOf(row), row]));
  const gpus = on('cuda');
  return [...on('cpu')].flatMap(([key, cpu]) => {
    const gpu = gpus.get(key);
    return gpu === undefined ? [] : [{ cpu, gpu }];
  });
}

function tableOf(title: string, titles: readonly string[], lines: readonly (readonly string[])[]): string {
  const cells = (tag: string, texts: readonly string[]) =>
    texts.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('');
  return `<h3>${escapeHtml(title)}</h3>
<div class="scroll" tabindex="0"><table><thead><tr>${cells('th', titles)}</tr></thead>
<tbody>
${lines.map((line) => `<tr>${cells('td', line)}</tr>`).join('\n')}
</tbody></table></div>`;
}

/** What is said of a document that has emulated rows: plainly, since they look like a GPU's. */
export function formatEmulated({ results, machine }: BenchDocument | ModelDocument): string {
  const rows = results as readonly { readonly device?: string }[];
  if (!rows.some(({ device }) => device === 'emulated') && !machine.gpu?.startsWith('none')) return '';
  return '<p class="wrong">Emulated: the rows of that name ran on the CPU in place of a GPU. Their results were checked; their times say nothing of a GPU.</p>';
}
