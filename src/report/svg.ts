import { passName } from '../bench/document.js';
import { shapeName } from '../bench/shapes.js';
import type { BenchDocument } from '../bench/types.js';
import { textWidth } from './bars.js';
import type { Charts } from './charts.js';
import { drawHost, VARIANT_LEGEND } from './figures.js';
import { atShape, extreme, hostRows, type OwnRow } from './select.js';
import { COLORS } from './style.js';

const WIDTH = 860;
const PADDING = 24;
const HEAD = 92;
const PANEL_HEAD = 34;

/**
 * A chart for the README, of a training step's activation inside tfjs-node: a panel for each document. It has its
 * own ground and knows both colour schemes, as GitHub shows it through an image.
 */
export function formatChart(documents: readonly BenchDocument[], charts: Charts): string {
  let y = HEAD;
  const panels = documents.flatMap((document) => {
    const rows = hostRows(document).filter(({ pass }) => pass === 'forward_backward');
    const shape = extreme(rows, 'largest');
    if (shape === undefined) return [];
    const chart = drawHost(atShape(rows, shape), 'forward_backward', charts, WIDTH - 2 * PADDING);
    const title = text(PADDING, y + 18, `${panelTitle(document, rows[0]!)}, ${shapeName(shape)}`, 'panel');
    const placed = chart.replace('<svg ', `<svg x="${PADDING}" y="${y + PANEL_HEAD}" `);
    y += PANEL_HEAD + Number(/ height="(\d+)"/.exec(chart)![1]) + 12;
    return [title, placed];
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" role="img" aria-label="${TITLE}">
<style>
${COLORS}
.ground { fill: var(--surface); stroke: var(--line); }
.title { font-size: 19px; font-weight: 600; fill: var(--ink); }
.panel { font-size: 13px; font-weight: 600; fill: var(--ink); }
.small { font-size: 12.5px; fill: var(--muted); }
</style>
<rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${y - 1}" rx="10"/>
${text(PADDING, 38, TITLE, 'title')}
${legend(64)}
${panels.join('\n')}
</svg>
`;
}

const TITLE = `Activations inside TensorFlow.js, ${passName('forward_backward')}: shorter is better`;

function panelTitle({ machine }: BenchDocument, { device, dtype }: OwnRow): string {
  return `${device === 'cpu' ? `${machine.cpu}, ${machine.cpus} cores` : device}, ${dtype}`;
}

function legend(y: number): string {
  let x = PADDING;
  return VARIANT_LEGEND.map(({ name, color }) => {
    const key = `<rect x="${x}" y="${y - 10}" width="11" height="11" rx="3" fill="${color}"/>${text(x + 18, y, name, 'small')}`;
    x += 18 + textWidth([name]) + 16;
    return key;
  }).join('\n');
}

function text(x: number, y: number, content: string, style: string): string {
  return `<text x="${x}" y="${y}" class="${style}">${content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`;
}
