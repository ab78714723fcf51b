import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { PolycomError } from 'polycom';
import { takeLock } from 'polycom/files';
import { expect, test } from 'vitest';
import { NO_TENSORFLOW } from '../../../test/cli/harness.js';
import { checkCompareDocument, readCompareDocument } from '../document.js';
import { meansOf } from '../judge/table.js';
import { compare } from '../run/compare.js';
import { polycomVersion } from '../run/version.js';
import type { CompareDocument } from '../types.js';
import { paper } from './command.js';
import { emptyFolder, tinyScale } from './runs.js';

const out = emptyFolder();
const only = ['sweep', 'dense', 'moe'] as const;
const options = { scale: tinyScale, only, out, workers: 1 };

test('a comparison: sweep, then everything with the best rates, in one document; again, nothing is repeated', async () => {
  const { document, failures, interrupted } = await compare(options);
  expect({ failures, interrupted }).toEqual({ failures: [], interrupted: false });
  const read = checkCompareDocument(JSON.parse(JSON.stringify(document)), 'it');
  expect(read.notes).toEqual([]);
  expect(read.experiments.map(({ name }) => name)).toEqual(only);
  expect(read.experiments[1]!.runs).toHaveLength(6 * 2);
  expect(read.experiments[2]!.runs).toHaveLength(2 * 2);
  expect(read.rates).toHaveLength(6);
  expect(read.rates.every(({ from }) => from === 'swept')).toBe(true);
  const rates = new Map(read.rates.map(({ activation, rate }) => [activation, rate]));
  const specs = new Map(read.runs.map(({ id, spec }) => [id, spec]));
  for (const { id, labels } of read.experiments[1]!.runs) {
    expect(specs.get(id)!.settings.learningRate).toBe(rates.get(labels.activation));
  }
  expect(read.data.map(({ name }) => name)).toEqual(['synthetic', 'synthetic-1-256']);
  expect(read.data[0]!.entropy).toBeCloseTo(2.448, 3);
  const means = meansOf(read, 'dense');
  expect(means.map(({ label, seeds }) => [label, seeds])).toEqual(
    ['ReLU', 'ReLU²', 'GELU', 'SwiGLU', 'PolyReLU', 'PolyNorm'].map((label) => [label, 2]),
  );
  const poly = read.runs.find(({ spec }) => spec.config.activation === 'polynorm' && spec.probes.length > 0)!;
  expect(Object.keys(poly.result.probes)).toEqual(poly.spec.probes);
  expect(poly.result.host).toMatchObject({
    polycom: polycomVersion,
    backend: expect.stringMatching(/^(tensorflow|cpu)$/),
  });
  const weights = poly.result.coefficients['model.layers.0.mlp.activation.weight']!;
  expect(weights).toHaveLength(poly.result.heldOut.step.length);
  expect(weights[0]).toHaveLength(3);

  const { document: again } = await compare(options);
  expect(again.runs).toEqual(document.runs);
  const times = document.runs.map(({ id }) => statSync(join(out, 'runs', id, 'result.json')).mtimeMs);
  expect(Math.max(...times)).toBeLessThan(Date.parse(again.date));
  const logs = document.runs.map(({ id }) =>
    readFileSync(join(out, 'runs', id, 'training/log.jsonl'), 'utf8'),
  );
  expect(logs.every((log) => log.split('"kind":"start"').length === 2)).toBe(true);
}, 300_000);

test('a document that is none is refused with the reason', async () => {
  const { document } = await compare(options);
  const wrong = (change: object, message: RegExp) => {
    const check = () => checkCompareDocument({ ...document, ...change }, 'it');
    expect(check).toThrow(PolycomError);
    expect(check).toThrow(message);
  };
  wrong({ schema: 2 }, /schema is 2; expected 1/);
  wrong({ bench: 'train' }, /bench is "train"; expected "compare"/);
  wrong({ runs: undefined }, /runs is no list/);
  wrong({ runs: [] }, /a run of sweep is not among the runs/);
  const [first, ...rest] = document.runs as CompareDocument['runs'];
  const other = { ...first!, spec: { ...first!.spec, finalWindows: 1 } };
  wrong({ runs: [other, ...rest] }, /run 0 is none, or its id is not that of its spec/);
  expect(() => readCompareDocument(join(out, 'none.json'))).toThrow(/cannot be read/);
});

test('what has not been trained is told in the document', async () => {
  const stop = new AbortController();
  stop.abort();
  const { document, interrupted } = await compare({ ...options, out: emptyFolder(), signal: stop.signal });
  expect(interrupted).toBe(true);
  expect(document.runs).toEqual([]);
  expect(document.notes).toEqual(['28 of 28 runs are missing']);
});

test('two comparisons do not work in one folder; one that was killed is no hindrance', async () => {
  const folder = emptyFolder();
  const lock = join(folder, 'compare.lock');
  const stop = new AbortController();
  stop.abort();
  const again = () => compare({ ...options, only: ['dense'], out: folder, signal: stop.signal });
  const unlock = await takeLock(lock);
  if (typeof unlock !== 'function') throw new Error('it is held');
  await expect(again()).rejects.toThrow(/^process \d+ on .* works in .* already\n {2}remedy: wait for it/);
  unlock();
  mkdirSync(lock);
  writeFileSync(join(lock, `${hostname()},2147483646,,x`), ''); // no process has this number
  await expect(again()).resolves.toMatchObject({ interrupted: true });
  expect(existsSync(lock)).toBe(false);
});

test('the command: a plan, and errors with their reasons', () => {
  const plan = paper(['--quick', '--plan', '--only', 'dense,moe'], NO_TENSORFLOW);
  expect(plan.status, plan.stderr).toBe(0);
  expect(plan.stdout).toMatch(
    /^dense: \d+ runs beside those above, \d+\.\d M tokens, \d+\.\d TFLOP\nmoe: 8 runs /,
  );
  const failing = (...args: string[]) => paper(['--plan', ...args], NO_TENSORFLOW).stderr;
  expect(failing('--only', 'dance')).toMatch(/there is no experiment 'dance'; expected some of sweep, /);
  expect(failing('--quick', '--scale', 'gpu')).toMatch(/--quick and --scale gpu; expected one of them/);
  expect(failing('--data', 'none.txt')).toMatch(/none\.txt is not there/);
});
