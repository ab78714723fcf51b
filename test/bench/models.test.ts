import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readAnyDocument, readDocuments } from '../../src/bench/models/document.js';
import { formatModelTable } from '../../src/bench/models/table.js';
import type {
  GenerateDocument,
  ModelDocument,
  TrainDocument,
  TrainRow,
} from '../../src/bench/models/types.js';
import { runCommand } from '../../src/common/command.js';
import { loadCharts } from '../../src/report/charts.js';
import { formatReport } from '../../src/report/html.js';
import { hasBinding, resolvePackages } from '../../src/tensorflow/link/packages.js';
import { native } from '../native/harness.js';
import { ROOT, removeFolders, temporaryFolder } from '../tensorflow/link-harness.js';
import { documentOf, everyKind } from './rows.js';

const hasTensorflow = native !== undefined && resolvePackages(ROOT).some(hasBinding);
if (!hasTensorflow) console.warn('skipped: the benchmark of models inside tfjs-node: run tf-link first');
afterAll(removeFolders);

const SMALL = [
  '--quick',
  '--preset',
  'tiny',
  '--activations',
  'relu,swiglu,polynorm',
  '--batch',
  '2',
  '--time',
  '16',
];

async function bench(...args: string[]) {
  const main = ['--import', import.meta.resolve('tsx'), join(ROOT, 'src/cli/main.ts')];
  return await runCommand(process.execPath, [...main, 'bench', ...args, '--quiet'], process.env);
}

async function measured(name: 'train' | 'generate'): Promise<{ document: ModelDocument; stdout: string }> {
  const file = join(temporaryFolder(), `${name}.json`);
  const { status, stdout, stderr } = await bench(name, ...SMALL, '--json', file);
  expect(status, stderr).toBe(0);
  return { document: readAnyDocument(file) as ModelDocument, stdout };
}

describe.skipIf(!hasTensorflow)('polycom bench', () => {
  test('train measures every activation fused, the first and last composed and stock, with two allocators', async () => {
    const { document, stdout } = await measured('train');
    const rows = document.results as readonly TrainRow[];
    expect(document.notes).toEqual([]);
    expect(rows.filter(({ ok }) => !ok)).toEqual([]);
    const of = (allocator: string) =>
      rows
        .filter((row) => row.allocator === allocator)
        .map(({ activation, variant }) => `${activation} ${variant}`);
    expect(of('bfc')).toEqual([
      ...['relu fused', 'relu composed', 'relu stock', 'swiglu fused'],
      ...['polynorm fused', 'polynorm composed', 'polynorm stock'],
    ]);
    expect(of('default')).toEqual(['relu fused', 'relu stock', 'polynorm fused', 'polynorm stock']);
    for (const row of rows) {
      expect(row.tok_per_s).toBeCloseTo(32_000 / row.ms_p50!, -1);
      for (const name of ['ms_forward', 'ms_host', 'ms_matmul', 'mfu', 'peak_bytes'] as const)
        expect(row[name], name).toBeGreaterThan(0);
    }
    const [fused, stock] = ['fused', 'stock'].map((variant) => rows.find((row) => row.variant === variant)!);
    expect(fused!.peak_bytes!).toBeLessThan(stock!.peak_bytes! / 3);
    expect(stdout).toContain(
      "Training, 2 × 16 tokens a step, preset tiny, in tensorflow, TensorFlow's default allocator",
    );
  });

  test('generate measures prefill and decode of each batch', async () => {
    const { document, stdout } = await measured('generate');
    const { results } = document as GenerateDocument;
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(results.map(({ phase, activation, variant }) => `${phase} ${activation} ${variant}`)).toEqual(
      ['relu fused', 'relu stock', 'swiglu fused', 'polynorm fused', 'polynorm stock'].flatMap((name) => [
        `prefill ${name}`,
        `decode ${name}`,
      ]),
    );
    for (const row of results) expect(row.tok_per_s).toBeGreaterThan(0);
    expect(stdout).toContain('Generating after 16 tokens');
  });
});

test('bench train names the activation or preset that is none', async () => {
  const wrong = await bench('train', '--activations', 'relu,tanh');
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toContain("activation 'tanh'; expected some of polynorm");
});

const row: TrainRow = {
  preset: 'small',
  activation: 'polynorm',
  variant: 'fused',
  backend: 'tensorflow',
  device: 'cpu',
  allocator: 'bfc',
  parameters: 1_000_000,
  batch: 8,
  time: 128,
  ms_p20: 90,
  ms_p50: 100,
  ms_p80: 110,
  tok_per_s: 10_240,
  vs_stock: 3.5,
  peak_named: 'a product: 100 GFLOP/s',
  mfu: 0.25,
  ok: true,
};
const failed: TrainRow = { ...row, variant: 'composed', ok: false, failure: 'the first loss is 9' };
const { schema, date, command, machine, versions, notes } = documentOf([]);
const documentWith = (results: readonly TrainRow[]): TrainDocument => ({
  ...{ schema, date, command, machine, versions, notes },
  bench: 'train',
  results,
});

describe('a document of models', () => {
  test('is a table with its failures, and what a share is of', () => {
    const table = formatModelTable(documentWith([row, failed]));
    expect(table).toMatch(/PolyNorm\s+fused\s+8\s+10240\s+100 ms/);
    expect(table).toContain('FAILED: the first loss is 9');
    expect(table).toContain('note: MFU is a share of a product: 100 GFLOP/s');
  });

  test('is a part of the report', async () => {
    const charts = await loadCharts();
    const page = formatReport([documentOf(everyKind()), documentWith([row, failed])], charts);
    expect(page).toContain('Training the transformer');
    expect(page).toContain('10240 (3.5× stock)');
    expect(page).toContain('FAILED: the first loss is 9');
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('is found in a folder of results, among other files', () => {
    const folder = temporaryFolder();
    expect(() => readDocuments(folder)).toThrow(/has no document of a benchmark/);
    const write = (name: string, value: object) => writeFileSync(join(folder, name), JSON.stringify(value));
    write('train.json', documentWith([row]));
    write('activations.json', documentOf(everyKind()));
    write('summary.json', { date: 'now', parts: {} });
    writeFileSync(join(folder, 'check.log'), 'all right');
    expect(readDocuments(folder).map(({ bench }) => bench)).toEqual(['activations', 'train']);
    expect(readDocuments(join(folder, 'train.json'))).toHaveLength(1);
    expect(() => readDocuments(join(folder, 'none.json'))).toThrow(/cannot be read/);
  });

  test('is read again, and another is refused', () => {
    const folder = temporaryFolder();
    const write = (value: unknown) => {
      const file = join(folder, 'd.json');
      writeFileSync(file, JSON.stringify(value));
      return file;
    };
    const document = documentWith([row, failed]);
    expect(readAnyDocument(write(document))).toEqual(JSON.parse(JSON.stringify(document)));
    expect(readAnyDocument(write(documentOf(everyKind()))).bench).toBe('activations');
    expect(() => readAnyDocument(write({ ...document, results: [{ ok: true }] }))).toThrow(/result 0 is not/);
    expect(() => readAnyDocument(write({ ...document, schema: 2 }))).toThrow(/schema is 2; expected 1/);
    expect(() => readAnyDocument(write({ ...document, bench: 'other' }))).toThrow(/bench is "other"/);
    expect(() => readAnyDocument(join(folder, 'none.json'))).toThrow(/cannot be read/);
    expect(readFileSync(join(folder, 'd.json'), 'utf8')).toContain('other');
  });
});
