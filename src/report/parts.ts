import type { ModelDocument } from '../bench/models/types.js';
import type { BenchDocument } from '../bench/types.js';
import type { Figure, Panel } from './figure.js';
import { settingList } from './labels.js';

/** A number that stands for many, and its meaning. */
export interface Tile {
  readonly value: string;
  readonly text: string;
}

/** How wide a panel is drawn on a screen, in pixels. */
const WIDTHS = { half: 520, wide: 1080, narrow: 340 } as const;
/** And on a phone, where it is not scaled, so that its text stays as large as the page's. */
const PHONE = 340;

/** A figure as HTML. */
export function formatFigure(figure: Figure): string {
  const { title, caption, legend, panels, size = 'half' } = figure;
  const keys = legend.map(
    ({ name, color }) => `<li><i style="background:${color}"></i>${escapeHtml(name)}</li>`,
  );
  return `<h3>${escapeHtml(title)}</h3>
<p class="muted">${escapeHtml(caption)}</p>
${keys.length === 0 ? '' : `<ul class="legend">${keys.join('')}</ul>`}
<div class="panels ${size}">${panels.map((panel) => formatPanel(panel, figure)).join('\n')}</div>`;
}

function formatPanel({ title, draw, scrolls = false }: Panel, { title: of, size = 'half' }: Figure): string {
  const label = title === '' ? of : `${of}: ${title}`;
  const caption = title === '' ? '' : `<figcaption>${escapeHtml(title)}</figcaption>`;
  const drawn = (width: number): string => labelled(draw(width), label);
  const [screen, phone] = [WIDTHS[size], PHONE];
  if (scrolls) return `<figure>${caption}<div class="scroll fixed">${drawn(screen)}</div></figure>`;
  if (screen <= phone) return `<figure>${caption}${drawn(screen)}</figure>`;
  return `<figure>${caption}<div class="screen">${drawn(screen)}</div><div class="phone">${drawn(phone)}</div></figure>`;
}

/** An SVG that a screen reader tells of by its label, and not by its marks. */
function labelled(svg: string, label: string): string {
  const text = escapeHtml(label);
  return svg.replace(/^<svg ([^>]*)>/, `<svg role="img" aria-label="${text}" $1><title>${text}</title>`);
}

/** Tiles as HTML. */
export function formatTiles(tiles: readonly Tile[]): string {
  const each = ({ value, text }: Tile): string =>
    `<div class="tile"><b>${escapeHtml(value)}</b><span>${escapeHtml(text)}</span></div>`;
  return `<div class="tiles">\n${tiles.map(each).join('\n')}\n</div>`;
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
  return `<p>Measured with <code>${escapeHtml(command)}</code>: every contender is checked, warmed up and timed in turns in one
process, with the same allocator, so that ratios hold even where the machine is noisy.</p>
${formatList(settingList({ date, commit, machine, versions }))}
${formatNotes(notes)}`;
}

/** Names and what they stand for. */
export function formatList(entries: readonly (readonly [name: string, value: string])[]): string {
  const each = entries.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`);
  return `<dl>${each.join('')}</dl>`;
}

/** Notes as a list; nothing where there are none. */
export function formatNotes(notes: readonly string[]): string {
  if (notes.length === 0) return '';
  return `<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`;
}

/** Text as HTML. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
