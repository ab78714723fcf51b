import { groupRows } from '../bench/document.js';
import { columns } from '../bench/table.js';
import type { BenchDocument, Row } from '../bench/types.js';
import type { Charts } from './charts.js';
import { type Figure, figuresOf } from './figures.js';
import { headline } from './headline.js';
import { STYLE } from './style.js';

/** A page that shows a document: charts, every row, and where it was measured. It needs nothing but itself. */
export function formatReport(document: BenchDocument, charts: Charts): string {
  const { machine, date, commit } = document;
  const failed = document.results.filter(({ ok }) => !ok).length;
  const when = `${date.slice(0, 16).replace('T', ' ')} UTC`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>polycom: activations</title>
<style>
${STYLE}
</style>
</head>
<body>
<h1>PolyCom activations, measured</h1>
<p class="muted">${escapeHtml([`${machine.cpu}, ${machine.cpus} CPUs`, when, ...(commit === undefined ? [] : [`commit ${commit}`])].join(' · '))}</p>
${failed === 0 ? '' : `<p class="wrong">${failed} ${failed === 1 ? 'contender' : 'contenders'} gave a wrong result, and ${failed === 1 ? 'was' : 'were'} not timed.</p>`}
<div class="tiles">
${headline(document)
  .map(
    ({ value, text }) =>
      `<div class="tile"><b>${escapeHtml(value)}</b><span>${escapeHtml(text)}</span></div>`,
  )
  .join('\n')}
</div>
${figuresOf(document, charts).map(formatFigure).join('\n')}
<h2>Every measurement</h2>
<p class="muted">Medians, with the span from the 20th to the 80th percentile. GB/s counts each tensor of a pass once.</p>
${formatTables(document)}
<h2>Where and how</h2>
${formatSetting(document)}
</body>
</html>
`;
}

function formatFigure({ title, caption, legend, panels, wide }: Figure): string {
  const keys = legend.map(
    ({ name, color }) => `<li><i style="background:${color}"></i>${escapeHtml(name)}</li>`,
  );
  const drawn = panels.map(
    ({ title: name, svg }) => `<div>${name === '' ? '' : `<h4>${escapeHtml(name)}</h4>`}${svg}</div>`,
  );
  return `<h2>${escapeHtml(title)}</h2>
<p class="muted">${escapeHtml(caption)}</p>
${keys.length === 0 ? '' : `<ul class="legend">${keys.join('')}</ul>`}
<div class="panels${wide ? ' wide' : ''}">${drawn.join('\n')}</div>`;
}

function formatTables({ results }: BenchDocument): string {
  const side = (align: string): string => (align === 'right' ? ' class="right"' : '');
  return groupRows(results)
    .map(({ title, rows }) => {
      const used = columns.filter(
        ({ title: name, cell }) => name === '' || rows.some((row) => cell(row) !== ''),
      );
      const head = used
        .map(({ title: name, align }) => `<th${side(align)}>${escapeHtml(name)}</th>`)
        .join('');
      const cells = (row: Row): string =>
        used.map(({ align, cell }) => `<td${side(align)}>${escapeHtml(cell(row))}</td>`).join('');
      const body = rows
        .map((row) => `<tr class="${row.ok ? row.variant : 'wrong'}">${cells(row)}</tr>`)
        .join('\n');
      return `<h3>${escapeHtml(title)}</h3>
<div class="scroll"><table><thead><tr>${head}</tr></thead>
<tbody>
${body}
</tbody></table></div>`;
    })
    .join('\n');
}

function formatSetting({ machine, versions, notes, command, commit, date }: BenchDocument): string {
  const list = (values: object): string =>
    Object.entries(values)
      .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(String(value))}</dd>`)
      .join('');
  return `<p>Measured with <code>${escapeHtml(command)}</code>: every contender is checked, warmed up and timed in turns in one
process, with the same allocator, so that ratios hold even where the machine is noisy.</p>
<dl>${list({ date, commit: commit ?? 'no checkout', ...machine, ...versions })}</dl>
${notes.length === 0 ? '' : `<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`}`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
