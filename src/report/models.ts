import { labelOf } from '../activations/labels.js';
import { duration, threeDigits, times } from '../bench/format.js';
import { groupModelRows, usedColumns, variantLabel } from '../bench/models/table.js';
import type { GenerateRow, ModelDocument, ModelVariant, TrainRow } from '../bench/models/types.js';
import { drawBars } from './bars.js';
import type { Charts } from './charts.js';
import { formatEmulated } from './devices.js';
import { escapeHtml, formatFigure, formatSetting } from './parts.js';

type Row = TrainRow | GenerateRow;

const COLORS: Readonly<Record<string, string>> = {
  fused: 'var(--fused)',
  composed: 'var(--composed)',
  stock: 'var(--stock)',
};
const OTHER = 'var(--third)';

/** A document of models as a part of the report: charts, every row, and where it was measured. */
export function formatModels(document: ModelDocument, charts: Charts): string {
  const title = document.bench === 'train' ? 'Training the transformer' : 'Generating with the transformer';
  const sections = groupModelRows(document).map((group) => formatGroup(group, document, charts));
  return `<h2>${title}</h2>
<p class="muted">Tokens per second by activation at equal parameters; every model was checked against tf's own ops first, and
all took their turns in one process.</p>
${formatEmulated(document)}
${sections.join('\n')}
<h3>Where and how</h3>
${formatSetting(document)}`;
}

function formatGroup(
  { title, rows }: { title: string; rows: readonly Row[] },
  document: ModelDocument,
  charts: Charts,
): string {
  const right = rows.filter(({ ok }) => ok);
  const variants = [...new Set(right.map(({ variant }) => variant))];
  const panels = panelsOf(right).map(({ name, members }) => ({
    title: name,
    draw: (width: number) => drawBars(charts, members.map(barOf), { width, axis: 'tokens per second' }),
  }));
  const figure = formatFigure({
    title,
    caption: captionOf(right, document),
    legend: variants.map((variant) => ({ name: variantLabel(variant), color: colorOf(variant) })),
    panels,
  });
  return `${figure}\n${formatTable(rows)}`;
}

/** Bars that belong side by side: a panel a phase and batch. */
function panelsOf(rows: readonly Row[]): { name: string; members: Row[] }[] {
  const panels = new Map<string, Row[]>();
  for (const row of rows) {
    const name =
      'phase' in row
        ? `${row.phase === 'prefill' ? 'reading prompts' : 'a token at a time'}, batch ${row.batch}`
        : '';
    panels.set(name, [...(panels.get(name) ?? []), row]);
  }
  return Array.from(panels, ([name, members]) => ({ name, members }));
}

function barOf(row: Row) {
  return {
    name: `${labelOf(row.activation)}, ${row.variant.replace('peer:', '')}`,
    value: row.tok_per_s!,
    text: `${threeDigits(row.tok_per_s!)}${row.vs_stock === undefined ? '' : ` (${times(row.vs_stock)} stock)`}`,
    color: colorOf(row.variant),
  };
}

function colorOf(variant: ModelVariant): string {
  return COLORS[variant] ?? OTHER;
}

function captionOf(rows: readonly Row[], { bench }: ModelDocument): string {
  const fused = rows.filter(({ variant }) => variant === 'fused');
  if (bench === 'generate' || fused.length === 0) return 'Medians.';
  const slowest = fused.reduce((most, { ms_p50 }) => Math.max(most, ms_p50!), 0);
  return `Medians; a step of the slowest fused model took ${duration(slowest)}.`;
}

function formatTable(rows: readonly Row[]): string {
  const used = usedColumns(rows);
  const side = (align: string): string => (align === 'right' ? ' class="right"' : '');
  const head = used.map(({ title, align }) => `<th${side(align)}>${escapeHtml(title)}</th>`).join('');
  const body = rows
    .map((row) => {
      const cells = used.map(({ align, cell }) => `<td${side(align)}>${escapeHtml(cell(row))}</td>`).join('');
      return `<tr class="${row.ok ? (COLORS[row.variant] === undefined ? 'stock' : row.variant) : 'wrong'}">${cells}</tr>`;
    })
    .join('\n');
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head}</tr></thead>
<tbody>
${body}
</tbody></table></div>`;
}
