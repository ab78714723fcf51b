import { loadCharts } from 'polycom/report';
import { describe, expect, test } from 'vitest';
import { describePage } from '../../../test/report/pages.js';
import { flopsRows } from '../cost/flops.js';
import type { CostResult } from '../cost/index.js';
import { analyticMemory } from '../cost/memory.js';
import { CLAIMS } from '../judge/claims.js';
import { withinSeeds } from '../report/ablations.js';
import { paperReport } from '../report/index.js';
import { shortNumber } from '../report/lines.js';
import { signed, withEnds } from '../report/numbers.js';
import { exactRepresentations } from '../theory/exact.js';
import type { TheoryResult } from '../theory/index.js';
import { sizeComparisons } from '../theory/size.js';
import { sobolevRates } from '../theory/sobolev.js';
import { documentOf } from './fixture.js';

const charts = await loadCharts();
describePage('the paper', paperReport({ document: documentOf() }, charts));

const document = documentOf();
const theory: TheoryResult = {
  scale: 'quick',
  exact: exactRepresentations(),
  sizes: sizeComparisons(4),
  sobolev: sobolevRates({ cells: { 1: [4, 8, 16], 2: [2, 4, 6] }, perCell: { 1: 8, 2: 3 } }),
  trained: [],
};
const names = ['relu', 'relu2', 'gelu', 'swiglu', 'polyrelu', 'polynorm'];
const cost: CostResult = {
  ...{
    preset: 'tiny',
    batch: 1,
    time: 8,
    backend: null,
    steps: [],
    stepMemory: [],
  },
  flops: flopsRows(names, 64),
  flopsOfPaper: flopsRows(names, 2048),
  memory: analyticMemory(names),
  memoryShape: { rows: 8, cols: 192 },
  notes: ['nothing was <measured>'],
};

const titles = (page: string) =>
  [...page.matchAll(/<h[12][^>]*>(?:<a [^>]*>)?(.*?)(?:<\/a>)?<\/h[12]>/g)].map(([, title]) => title);

describe('the report of the paper’s experiments', () => {
  test('has every part, every claim with its verdict, and the setting', () => {
    const page = paperReport({ document, theory, cost }, charts);
    expect(titles(page)).toEqual([
      "PolyCom: the paper's experiments, reproduced at a size that fits",
      'What was claimed, and what came out',
      'Dense models',
      'Mixture of experts',
      'Ablations',
      'Dynamics',
      'Scaling',
      'Learning rates',
      'Theory',
      'Cost',
      'Where and how',
    ]);
    const escaped = (text: string) =>
      text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
    for (const { text } of CLAIMS) expect(page).toContain(`>${escaped(text)}</td>`);
    for (const part of [
      '<span class="verdict good">✔ reproduced</span>',
      '<span class="verdict open">– not testable here</span>',
      'not testable here',
      'A &lt;fast&gt; CPU, 2 CPUs',
      'commit 0123456789ab',
      '<code>npm run paper -- --quick</code>',
      '6 min',
      '<li>a note &amp; more</li>',
      'nothing was &lt;measured&gt;',
      'PolyNorm, published',
      'invented: verse',
      'at the border of what was swept',
    ]) {
      expect(page).toContain(part);
    }
  });

  test('shows the dynamics on all data of the dense comparison', () => {
    const experiments = document.experiments.map((experiment) => {
      const others = experiment.runs.map((run) => ({ ...run, labels: { ...run.labels, data: 'other' } }));
      return { ...experiment, runs: [...experiment.runs, ...others] };
    });
    const page = paperReport({ document: { ...document, experiments } }, charts);
    for (const title of ['Similarity between layers', 'What activations take and give']) {
      const found = [...page.matchAll(new RegExp(`${title}, on ([^<]*)</a></h`, 'g'))].map(([, on]) => on);
      expect(found).toEqual(['the synthetic language of 64 tokens', 'other']);
    }
  });

  test('needs nothing but itself, knows both schemes, and has a number wherever it shows one', () => {
    const page = paperReport({ document, theory, cost }, charts);
    const fetched = page
      .replaceAll('http://www.w3.org/', '')
      .match(/https?:|<script|<link|<img|@import|url\((?!#)|\bsrc=|\bhref="(?!#)/g);
    expect(fetched).toBeNull();
    expect(page).toContain('@media (prefers-color-scheme: dark)');
    expect(page).not.toMatch(/NaN|undefined|Infinity|null/);
    expect(page.match(/<svg /g)!.length).toBeGreaterThan(25);
  });

  test('shows what was made, and no part that was not', () => {
    const only = (...wanted: string[]) => ({
      ...document,
      experiments: document.experiments.filter(({ name }) => wanted.includes(name)),
      overflow: [],
    });
    expect(titles(paperReport({ document: only('dense') }, charts))).toEqual([
      "PolyCom: the paper's experiments, reproduced at a size that fits",
      'What was claimed, and what came out',
      'Dense models',
      'Dynamics',
      'Where and how',
    ]);
    const none = paperReport({ document: only() }, charts);
    expect(none).not.toMatch(/NaN|undefined|Infinity/);
    expect(none).toContain('nothing was run for it');
  });

  test('one seed, a diverged run and a missing reference are said, not drawn', () => {
    const dense = document.experiments.find(({ name }) => name === 'dense')!;
    const experiments = [
      {
        ...dense,
        runs: dense.runs.filter(({ labels }) => labels.seed === 1 && labels.activation !== 'swiglu'),
      },
    ];
    const { id } = experiments[0]!.runs[0]!;
    const runs = document.runs.map((run) => {
      if (run.id !== id) return run;
      const { final: _, ...result } = run.result;
      return { ...run, result: { ...result, diverged: { step: 2, message: 'NaN' } } };
    });
    const page = paperReport({ document: { ...document, experiments, runs } }, charts);
    expect(page).toContain('Runs that diverged, and are in no mean: ReLU 1 of 1.');
    expect(page).not.toMatch(/undefined|Infinity/);
  });
});

test('intervals within seeds take out what a seed does to all ways alike', () => {
  const way = (...values: number[]) => values.map((value, seed) => ({ seed, value }));
  const [a, b] = withinSeeds([way(1, 2, 3), way(2, 3, 4)]);
  expect(a).toMatchObject({ mean: 2, low: 2, high: 2 });
  expect(b).toMatchObject({ mean: 3, low: 3, high: 3 });
  // By hand: residuals of both ways about their means are ±0.5, 0, ∓0.5, so s = 0.5, widened by √2; t(2) = 4.3027.
  const [c] = withinSeeds([way(1, 2, 3), way(3, 3, 3)]);
  expect(c!.mean).toBeCloseTo(2, 12);
  expect(c!.high! - c!.mean).toBeCloseTo((4.302653 * 0.5 * Math.SQRT2) / Math.sqrt(3), 5);
  // Other seeds: the plain intervals.
  const [d] = withinSeeds([way(1, 2, 3), way(1, 2)]);
  expect(d!.high! - d!.mean).toBeCloseTo(4.302653 / Math.sqrt(3), 5);
  expect(withinSeeds([[], way(1, 2)])[0]).toBeUndefined();
});

test('numbers are short', () => {
  expect([1.5e6, 2e4, 5000, 0.25, 0, 1e-5].map(shortNumber)).toEqual([
    '1.5 M',
    '20 k',
    '5000',
    '0.25',
    '0',
    '1e-5',
  ]);
  expect([signed(-0.01234), signed(0.5, 1), signed(-0.00001)]).toEqual(['−0.0123', '+0.5', '0.0000']);
  expect(withEnds({ mean: -1, low: null, high: 2 }, String)).toBe('-1 […, 2]');
});
