import { groupRows } from '../bench/document.js';
import { isModelDocument } from '../bench/models/document.js';
import type { ModelDocument } from '../bench/models/types.js';
import { filledColumns } from '../bench/table.js';
import type { BenchDocument, Row } from '../bench/types.js';
import type { Charts } from './charts.js';
import { formatDevices, formatEmulated } from './devices.js';
import { figuresOf } from './figures.js';
import { headline } from './headline.js';
import { formatModels } from './models.js';
import { formatPage } from './page.js';
import { escapeHtml, formatFigure, formatSetting, formatTiles } from './parts.js';
import { formatMisses } from './roofline.js';

/** A document of any benchmark. */
export type AnyDocument = BenchDocument | ModelDocument;

/** A page that shows documents: charts, every row, and where each was measured. It needs nothing but itself. */
export function formatReport(given: AnyDocument | readonly AnyDocument[], charts: Charts): string {
  const documents = [given].flat() as readonly AnyDocument[];
  const parts = documents.map((document) =>
    isModelDocument(document) ? formatModels(document, charts) : formatActivations(document, charts),
  );
  return formatPage({
    title: 'polycom, measured',
    head: '<h1>polycom, measured</h1>',
    content: [formatDevices(documents), ...parts].filter((part) => part !== '').join('\n<hr>\n'),
  });
}

function formatActivations(document: BenchDocument, charts: Charts): string {
  const { date, commit } = document;
  const failed = document.results.filter(({ ok }) => !ok).length;
  const when = `${date.slice(0, 16).replace('T', ' ')} UTC`;
  return `<h2>PolyCom activations</h2>
<p class="muted">${escapeHtml([...whereOf(document), when, ...(commit === undefined ? [] : [`commit ${commit}`])].join(' · '))}</p>
${failed === 0 ? '' : `<p class="wrong">${failed} ${failed === 1 ? 'contender' : 'contenders'} gave a wrong result, and ${failed === 1 ? 'was' : 'were'} not timed.</p>`}
${formatEmulated(document)}
${formatTiles(headline(document))}
${figuresOf(document, charts).map(formatFigure).join('\n')}
${formatMisses(document)}
<h3>Every measurement</h3>
<p class="muted">Medians, with the span from the 20th to the 80th percentile. GB/s counts each tensor of a pass once.</p>
${formatTables(document)}
<h3>Where and how</h3>
${formatSetting(document)}`;
}

/** The CPU and the GPU, as far as there are rows of them. */
function whereOf({ machine, results }: BenchDocument): string[] {
  const cpu = `${machine.cpu}, ${machine.cpus} CPUs`;
  if (machine.gpu === undefined) return [cpu];
  return results.some(({ device }) => device === 'cpu') ? [cpu, machine.gpu] : [machine.gpu];
}

function formatTables({ results }: BenchDocument): string {
  const side = (align: string): string => (align === 'right' ? ' class="right"' : '');
  return groupRows(results)
    .map(({ title, rows }) => {
      const used = filledColumns(rows);
      const head = used
        .map(({ title: name, align }) => `<th${side(align)}>${escapeHtml(name)}</th>`)
        .join('');
      const cells = (row: Row): string =>
        used.map(({ align, cell }) => `<td${side(align)}>${escapeHtml(cell(row))}</td>`).join('');
      const body = rows
        .map((row) => `<tr class="${row.ok ? row.variant : 'wrong'}">${cells(row)}</tr>`)
        .join('\n');
      return `<h4>${escapeHtml(title)}</h4>
<div class="scroll" tabindex="0"><table><thead><tr>${head}</tr></thead>
<tbody>
${body}
</tbody></table></div>`;
    })
    .join('\n');
}
