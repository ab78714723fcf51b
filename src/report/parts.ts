import type { ModelDocument } from '../bench/models/types.js';
import type { BenchDocument } from '../bench/types.js';
import type { Figure } from './figures.js';

/** A figure as HTML. */
export function formatFigure({ title, caption, legend, panels, wide, narrow }: Figure): string {
  const keys = legend.map(
    ({ name, color }) => `<li><i style="background:${color}"></i>${escapeHtml(name)}</li>`,
  );
  const drawn = panels.map(
    ({ title: name, svg }) => `<div>${name === '' ? '' : `<h4>${escapeHtml(name)}</h4>`}${svg}</div>`,
  );
  return `<h2>${escapeHtml(title)}</h2>
<p class="muted">${escapeHtml(caption)}</p>
${keys.length === 0 ? '' : `<ul class="legend">${keys.join('')}</ul>`}
<div class="panels${wide ? ' wide' : narrow ? ' narrow' : ''}">${drawn.join('\n')}</div>`;
}

/** Where and how a document was measured, as HTML. */
export function formatSetting({
  machine,
  versions,
  notes,
  command,
  commit,
  date,
}: BenchDocument | ModelDocument): string {
  const list = (values: object): string =>
    Object.entries(values)
      .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(String(value))}</dd>`)
      .join('');
  return `<p>Measured with <code>${escapeHtml(command)}</code>: every contender is checked, warmed up and timed in turns in one
process, with the same allocator, so that ratios hold even where the machine is noisy.</p>
<dl>${list({ date, commit: commit ?? 'no checkout', ...machine, ...versions })}</dl>
${notes.length === 0 ? '' : `<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`}`;
}

/** Text as HTML. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
