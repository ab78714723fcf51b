import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAnyDocument } from '../../src/bench/models/document.js';
import type { ModelDocument, TrainRow } from '../../src/bench/models/types.js';
import type { BenchDocument } from '../../src/bench/types.js';
import { type CommandResult, runCommand } from '../../src/common/command.js';
import { environmentOf, onRealGpu, testDevice } from '../tensorflow/device/build.js';
import { ROOT, removeFolders, temporaryFolder } from '../tensorflow/link-harness.js';

const device = await testDevice();
const name = onRealGpu ? 'cuda' : 'emulated';
afterAll(removeFolders);

const MODEL = [
  '--quick',
  '--preset',
  'tiny',
  '--activations',
  'relu,polynorm',
  '--batch',
  '2',
  '--time',
  '8',
];

async function bench(...args: string[]): Promise<CommandResult & { readonly json: string }> {
  const json = join(temporaryFolder(), 'document.json');
  const command = [join(ROOT, 'src/cli/main.ts'), 'bench', ...args, '--quiet', '--json', json];
  const result = await runCommand(process.execPath, command, { ...process.env, ...environmentOf(device!) });
  return { ...result, json };
}

describe.skipIf(device === undefined)(
  'the benchmark inside TensorFlow on a GPU',
  { timeout: 300_000 },
  () => {
    let json: string;
    beforeAll(async () => {
      const args = ['--quick', '--backend', 'tensorflow', '--device', 'cuda', '--shapes', '4x64'];
      const result = await bench('activations', ...args);
      expect(result.status, result.stderr).toBe(0);
      json = result.json;
    }, 300_000);

    test('measures every op, fused, composed and stock, and names the device', () => {
      const { results, machine, notes } = readAnyDocument(json) as BenchDocument;
      expect(notes).toEqual([]);
      expect(results.filter(({ ok }) => !ok)).toEqual([]);
      expect(new Set(results.map((row) => row.device))).toEqual(new Set([name]));
      expect(new Set(results.map(({ variant }) => variant))).toEqual(
        new Set(['fused', 'reference', 'stock']),
      );
      for (const row of results) expect(row).not.toHaveProperty('allocator');
      expect(machine).not.toHaveProperty('tf_allocator');
      expect(machine.gpu).toBeDefined();
    });

    test('trains and generates there', async () => {
      for (const what of ['train', 'generate']) {
        const { status, stdout, stderr, json: file } = await bench(what, ...MODEL);
        expect(status, stderr).toBe(0);
        const { results, notes } = readAnyDocument(file) as ModelDocument;
        const rows = results as readonly Partial<TrainRow>[];
        expect(notes).toEqual([]);
        expect(rows.length).toBeGreaterThan(3);
        for (const row of rows) {
          expect(row).toMatchObject({ ok: true, device: name });
          expect(row.tok_per_s).toBeGreaterThan(0);
          // An op returns before it is done: what the host spends outside ops cannot be told apart.
          expect(row).not.toHaveProperty('ms_host');
          if (what === 'train') expect(row.ms_optimizer).toBeGreaterThan(0);
        }
        expect(stdout).toContain(`in tensorflow, ${name}`);
      }
    });

    test('is left out where the CPU alone is asked for, and says so', async () => {
      const args = ['--quick', '--backend', 'tensorflow', '--device', 'cpu', '--shapes', '4x64'];
      const { status, stderr } = await bench('activations', ...args);
      expect(status).toBe(1);
      expect(stderr).toContain('TensorFlow left out: it runs on a GPU; --device cuda measures it');
    });
  },
);
