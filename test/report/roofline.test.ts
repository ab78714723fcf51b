import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readDocument } from '../../src/bench/document.js';
import type { Row } from '../../src/bench/types.js';
import { type Charts, loadCharts } from '../../src/report/charts.js';
import { figuresOf } from '../../src/report/figures.js';
import { headline } from '../../src/report/headline.js';
import { formatReport } from '../../src/report/html.js';
import { formatMisses, missesOf } from '../../src/report/roofline.js';
import { documentOf, failedRow, row } from '../bench/rows.js';

let charts: Charts;
beforeAll(async () => {
  charts = await loadCharts();
});

const onGpu = (of: Partial<Row>): Row =>
  row({ device: 'cuda', dtype: 'bf16', target: 0.92, of_copy: 0.95, ...of });
const peer = (of: Partial<Row>): Row => {
  const { target: _, ...rest } = onGpu({ backend: 'pytorch', variant: 'peer:liger', of_copy: 0.4, ...of });
  return rest;
};
const rows = (): Row[] => [
  onGpu({ cols: 2048 }),
  peer({ cols: 2048, ms_p50: 24 }),
  onGpu({ cols: 8256, of_copy: 0.9 }),
  peer({ cols: 8256, ms_p50: 23, of_copy: 0.41 }),
  onGpu({ cols: 65536, ms_p50: 11, of_copy: 0.93 }),
  peer({ cols: 65536, ms_p50: 5.5, of_copy: 0.99 }),
  failedRow({ ...peer({ cols: 65536 }), variant: 'peer:pytorch-eager' }),
];

describe('the roofline', () => {
  test('draws a run of the emulator: a figure an op, a panel a pass and dtype', () => {
    const document = readDocument(join(import.meta.dirname, 'fixtures', 'gpu-emulated.json'));
    const figures = figuresOf(document, charts);
    expect(figures.map(({ title, panels }) => [title, panels.map((panel) => panel.title)])).toEqual([
      ['Roofline: PolyNorm', ['forward, bf16', 'backward, bf16', 'forward, f32', 'backward, f32']],
      ['Roofline: PolyNormGLU', ['forward, bf16', 'backward, bf16']],
    ]);
    for (const { legend, panels } of figures) {
      expect(legend.map(({ name }) => name)).toEqual([
        'fused: this package',
        'PyTorch eager',
        'PyTorch eager f32',
      ]);
      for (const { draw } of panels) {
        const svg = draw(520);
        expect(svg.match(/<circle /g)).toHaveLength(2 * legend.length);
        for (const width of ['64', '200']) expect(svg).toContain(`>${width}</text>`);
      }
    }
    const page = formatReport(document, charts);
    expect(page).toContain('none: emulated on the CPU');
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('has the copy and the target as lines, and a mark for each that was right', () => {
    const [figure] = figuresOf(documentOf(rows()), charts);
    expect(figure!.legend.map(({ name }) => name)).toEqual(['fused: this package', 'Liger']);
    const [panel] = figure!.panels;
    expect(panel!.draw(520).match(/<circle /g)).toHaveLength(6);
    expect(panel!.draw(520)).toContain('stroke-dasharray="4,3"');
  });

  test('is for GPUs and several widths', () => {
    const one = documentOf([onGpu({}), peer({})]);
    expect(figuresOf(one, charts).map(({ title }) => title)).not.toContain('Roofline: PolyNorm');
    const cpu = rows().map((each) => ({ ...each, device: 'cpu' as const }));
    for (const { title } of figuresOf(documentOf(cpu), charts)) expect(title).not.toMatch(/^Roofline/);
    expect(formatMisses(one)).toBe('');
  });

  test('lists what is under its target, or slower than a peer', () => {
    const misses = missesOf(documentOf(rows()));
    expect(misses.map(({ own, target, faster }) => [own.cols, target, faster?.variant])).toEqual([
      [8256, 0.92, undefined],
      [65536, undefined, 'peer:liger'],
    ]);
    const table = formatMisses(documentOf(rows()));
    expect(table.match(/<tr class="fused">/g)).toHaveLength(2);
    for (const cell of ['4096×8256 bf16', '90 %', '92 %', 'Liger', '0.50×'])
      expect(table).toContain(`<td>${cell}</td>`);
    const right = rows().filter(({ cols, variant }) => cols === 2048 || variant === 'fused');
    const good = right.map((each) => ({ ...each, ...(each.target === undefined ? {} : { of_copy: 0.95 }) }));
    expect(formatMisses(documentOf(good))).toContain('None.');
  });

  test('puts the ranges first', () => {
    expect(headline(documentOf(rows())).map(({ value }) => value)).toEqual([
      '90–95 %',
      '0.50–2.4×',
      '6 of 7',
    ]);
  });
});
