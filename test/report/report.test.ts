import { beforeAll, describe, expect, test, vi } from 'vitest';
import { contenderName } from '../../src/bench/document.js';
import { allColumns as columns } from '../../src/bench/table.js';
import { PolycomError } from '../../src/common/errors.js';
import { type Charts, loadCharts } from '../../src/report/charts.js';
import { figuresOf } from '../../src/report/figures.js';
import { headline } from '../../src/report/headline.js';
import { formatReport } from '../../src/report/html.js';
import { formatChart } from '../../src/report/svg.js';
import { documentOf, everyKind, peerRows, row } from '../bench/rows.js';

let charts: Charts;
beforeAll(async () => {
  charts = await loadCharts();
});

const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
/** What a page or picture would fetch, but for the names of XML's vocabularies. */
const fetched = (text: string) =>
  text
    .replaceAll('http://www.w3.org/', '')
    .match(/https?:|\/\/|<script|<link|<img|@import|url\(|\bsrc=|\bhref="(?!#)/g);

describe('the report', () => {
  test('has every row, with every figure', () => {
    const rows = everyKind();
    const page = formatReport(documentOf(rows), charts);
    expect(page.match(/<tr class="/g)).toHaveLength(rows.length);
    for (const measured of rows) {
      const start = page.indexOf(`<td>${escaped(contenderName(measured))}</td>`);
      expect(start).toBeGreaterThan(0);
      for (const { cell } of columns) expect(page).toContain(`>${escaped(cell(measured))}</td>`);
    }
  });

  test('has the setting: machine, commit, date, command, versions, notes', () => {
    const page = formatReport(documentOf(everyKind()), charts);
    for (const part of [
      'A &lt;fast&gt; CPU, 2 CPUs',
      '2026-01-02 03:04 UTC',
      'commit 0123456789ab',
      '<code>npx polycom bench activations</code>',
      '<dt>Node.js</dt><dd>24.0.0</dd>',
      '<li>a note</li>',
      '1 contender gave a wrong result',
    ]) {
      expect(page).toContain(part);
    }
  });

  test('needs nothing but itself, and knows both schemes', () => {
    const page = formatReport(documentOf(everyKind()), charts);
    expect(fetched(page)).toBeNull();
    expect(page).toContain('@media (prefers-color-scheme: dark)');
    expect(page).not.toContain('<fast>');
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('has the figures that there are rows for', () => {
    const titles = (rows: Parameters<typeof documentOf>[0]) =>
      figuresOf(documentOf(rows), charts).map(({ title }) => title);
    expect(titles(everyKind())).toEqual([
      'How near a copy: kernels driven directly, 4096×8256',
      'How near a copy, by shape',
      'Inside tfjs-node, 4096×8256',
      'What a call costs: 32×64 inside tfjs-node',
      "What TensorFlow's allocator costs: forward, 4096×8256",
    ]);
    expect(titles([row({ of_copy: 0.9 })])).toEqual(['How near a copy: kernels driven directly, 4096×8256']);
    expect(titles([])).toEqual([]);
    expect(formatReport(documentOf([]), charts)).toContain('Where and how');
  });

  test('draws what a width costs, where several were measured', () => {
    const ops = [row(), row({ op: 'polyrelu', label: 'PolyReLU' }), row({ op: 'silu', label: 'SiLU' })];
    const rows = ops.flatMap((op) =>
      [8, 64, 512, 4096].map((cols, i) => ({ ...op, cols, of_copy: 0.5, of_stream: 0.2 * (i + 1) })),
    );
    const figure = figuresOf(documentOf(rows), charts).find(({ title }) => title === 'What a width costs')!;
    expect(figure.legend.map(({ name }) => name)).toEqual(['PolyNorm', 'PolyReLU']);
    expect(figure.panels[0]!.draw(520).match(/<circle /g)).toHaveLength(8);
    const both = documentOf([...rows, ...rows.map((one) => ({ ...one, dtype: 'bf16' as const }))]);
    const panels = figuresOf(both, charts).find(({ title }) => title === 'What a width costs')!.panels;
    expect(panels.map(({ title }) => title)).toEqual(['forward, f32', 'forward, bf16']);
    expect(panels[1]!.draw(520).match(/<circle /g)).toHaveLength(8);
    const fewer = figuresOf(documentOf(rows.filter(({ cols }) => cols > 8)), charts);
    expect(fewer.map(({ title }) => title)).not.toContain('What a width costs');
  });

  test('draws peers beside the fused ops, a figure a shape and dtype', () => {
    const half = { dtype: 'bf16', ms_p50: 5 } as const;
    const rows = [
      ...peerRows(),
      row(half),
      row({ ...half, backend: 'pytorch', variant: 'peer:pytorch-eager' }),
    ];
    const figures = figuresOf(documentOf(rows), charts);
    expect(figures.map(({ title, panels }) => [title, panels.map((panel) => panel.title)])).toEqual([
      ['Against other libraries: 4096×8256 f32', ['forward', 'forward + backward']],
      ['Against other libraries: 4096×8256 bf16', ['forward']],
    ]);
    const [forward] = figures[0]!.panels;
    for (const text of ['PolyNorm', 'SiLU', '5.2×', '0.80×'])
      expect(forward!.draw(520)).toContain(`>${text}</text>`);
    expect(forward!.draw(520).match(/<circle /g)).toHaveLength(5);
    const names = figures[0]!.legend.map(({ name }) => name);
    expect(names).toEqual(['fused: this package', 'PyTorch compiled', 'PyTorch eager']);
    expect(new Set(figures[0]!.legend.map(({ color }) => color)).size).toBe(3);
    expect(headline(documentOf(peerRows())).map(({ value }) => value)).toEqual([
      '0.80–5.2×',
      '3.0×',
      '8 of 9',
    ]);
  });

  test('puts the ranges first', () => {
    expect(headline(documentOf(everyKind())).map(({ value }) => value)).toEqual([
      '71–92 %',
      '49.0×',
      '8.6×',
      '12.0 µs',
      '10 of 11',
    ]);
    expect(headline(documentOf([row()]))).toEqual([expect.objectContaining({ value: 'all 1' })]);
  });
});

describe("the README's chart", () => {
  test('has a panel for each document, and needs nothing but itself', () => {
    const step = everyKind().filter(({ pass }) => pass === 'forward_backward');
    const one = formatChart([documentOf(step)], charts);
    const two = formatChart([documentOf(step), documentOf(step)], charts);
    expect(one).toContain('A &lt;fast> CPU, 2 cores, f32, 4096×8256');
    expect(one).toContain('10.0 ms (49.0× faster)');
    expect(one.match(/<svg /g)).toHaveLength(2);
    expect(two.match(/<svg /g)).toHaveLength(3);
    expect(fetched(two)).toBeNull();
    expect(one).toContain('@media (prefers-color-scheme: dark)');
  });
});

test('without the chart libraries there is a typed error with the remedy', async () => {
  vi.resetModules();
  vi.doMock('linkedom', () => {
    throw new Error('not installed');
  });
  const { loadCharts: load } = await import('../../src/report/charts.js');
  const error = await load().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: PolycomError.name, code: 'UNSUPPORTED' });
  expect(String(error)).toContain('remedy: npm install @observablehq/plot linkedom');
  vi.doUnmock('linkedom');
});

describe('a GPU beside the CPU', () => {
  const both = (gpu: 'cuda' | 'emulated') => [
    row({ of_copy: 0.9, of_stream: 0.93, traffic: '1:1' }),
    row({
      device: gpu,
      ms_p50: 0.1,
      gb_per_s: 2700,
      of_copy: 0.8,
      of_stream: 0.85,
      traffic: '1:1',
      ms_call: 0.004,
    }),
    row({ device: gpu, dtype: 'bf16', ms_p50: 0.05, of_copy: 0.8, traffic: '1:1' }),
  ];

  test('stands in one table, from one document or from two', () => {
    const [cpu, gpu] = [both('cuda').slice(0, 1), both('cuda').slice(1)];
    for (const documents of [[documentOf(both('cuda'))], [documentOf(cpu), documentOf(gpu)]]) {
      const page = formatReport(documents, charts);
      expect(page).toContain('CPU and GPU');
      expect(page).toMatch(
        /<td>PolyNorm<\/td><td>forward<\/td><td>f32<\/td><td>10\.0 ms<\/td><td>100 µs<\/td><td>100×<\/td><td>93 %<\/td><td>85 %<\/td>/,
      );
      expect(page).not.toMatch(/NaN|undefined|Infinity|Emulated/);
    }
  });

  test('has figures of its own, named by the device', () => {
    const titles = figuresOf(documentOf(both('cuda')), charts).map(({ title }) => title);
    expect(titles).toEqual([
      'How near a copy: kernels driven directly, 4096×8256',
      'How near the fastest stream with the same reads and writes: kernels driven directly, 4096×8256',
      'How near a copy: kernels driven directly, 4096×8256, cuda',
      'How near the fastest stream with the same reads and writes: kernels driven directly, 4096×8256, cuda',
    ]);
  });

  test('is no emulator, which is called one', () => {
    const page = formatReport(documentOf(both('emulated')), charts);
    expect(page).not.toContain('CPU and GPU');
    expect(page).toContain('Emulated: the rows of that name ran on the CPU in place of a GPU');
    expect(page).toContain('Driven directly, 4096×8256 bf16, emulated');
  });
});
