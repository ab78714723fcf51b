/** The report of the benchmarks as its readers meet it. */
import { expect, test } from 'vitest';
import { isActivation, labelOf } from '../../src/activations/labels.js';
import { activationRows } from '../../src/activations/table.js';
import { loadCharts } from '../../src/report/charts.js';
import { formatReport } from '../../src/report/html.js';
import { formatPage } from '../../src/report/page.js';
import { documentOf, everyKind, peerRows } from '../bench/rows.js';
import { describePage } from './pages.js';

const charts = await loadCharts();
describePage('activations', formatReport([documentOf(everyKind()), documentOf(peerRows())], charts));

test('every activation has a name for people', () => {
  for (const { name } of activationRows)
    expect([name, isActivation(name), labelOf(name) !== name]).toEqual([name, true, true]);
  expect(labelOf('rmsnorm')).toBe('rmsnorm');
});

test('headings of one text have anchors of their own', () => {
  const page = formatPage({
    title: 't',
    head: '<h1>t</h1>',
    content: '<h2>A &amp; b</h2><h3>c</h3><h3>c</h3>',
  });
  for (const id of ['a-b', 'c', 'c-2']) expect(page).toContain(` id="${id}">`);
});
