import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { parseDocument } from '../../src/bench/document.js';
import type { Row } from '../../src/bench/types.js';
import { type CommandResult, runCommand } from '../../src/common/command.js';
import { hasBinding, resolvePackages } from '../../src/tensorflow/link/packages.js';
import { emulatedCuda, native } from '../native/harness.js';
import { ROOT, removeFolders, temporaryFolder } from '../tensorflow/link-harness.js';
import { documentOf, everyKind, row } from './rows.js';

const emulated = await emulatedCuda();
const hasTensorflow = native !== undefined && resolvePackages(ROOT).some(hasBinding);
if (!hasTensorflow) console.warn('skipped: the benchmark inside tfjs-node: run tf-link first');

afterAll(removeFolders);

function polycom(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  const main = ['--import', import.meta.resolve('tsx'), join(ROOT, 'src/cli/main.ts')];
  return runCommand(process.execPath, [...main, ...args], {
    ...process.env,
    POLYCOM_QUIET: undefined,
    ...env,
  });
}

/** A copy, and streams with the reads and writes of activations: 1:1, 2:1 and 3:2. */
const YARDSTICKS = 4;

const bench = (...args: string[]) =>
  polycom(['bench', 'activations', '--quick', '--shapes', '8x64', ...args]);
const ofBackend = (rows: readonly Row[], backend: string) => rows.filter((row) => row.backend === backend);

describe('polycom bench activations', () => {
  test.skipIf(native === undefined)('drives the kernels, and ends stdout with the document', async () => {
    const { status, stdout, stderr } = await bench('--backend', 'native');
    expect(status, stderr).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    const document = parseDocument(lines.at(-1)!, 'stdout');
    expect(document.results).toHaveLength(2 * activationRows.length + YARDSTICKS);
    expect(document.results.every(({ ok, rows, cols }) => ok && rows === 8 && cols === 64)).toBe(true);
    expect(document.command).toBe('npx polycom bench activations --quick --backend native --shapes 8x64');
    expect(document.machine.simd).toBe(native!.build.simd);
    expect(stdout).toContain('Driven directly, 8×64 f32, cpu');
    expect(stderr).toContain('polycom: measuring driven directly, 8×64 f32, cpu\n');
    expect(stdout).not.toContain(ROOT);
  });

  test.skipIf(!hasTensorflow)(
    'measures inside tfjs-node with every allocator, and writes files',
    async () => {
      const folder = temporaryFolder();
      const [json, report] = [join(folder, 'new', 'a.json'), join(folder, 'a.html')];
      const { status, stdout, stderr } = await bench('--json', json, '--report', report, '--quiet');
      expect(status, stderr).toBe(0);
      expect(stderr).not.toContain('measuring');
      const document = parseDocument(readFileSync(json, 'utf8'), json);
      expect(stdout).not.toContain('"schema"');
      expect(document.notes).toEqual([]);
      expect(document.results.filter(({ ok }) => !ok)).toEqual([]);
      const hosted = ofBackend(document.results, 'tensorflow');
      expect(ofBackend(document.results, 'native')).toHaveLength(2 * activationRows.length + YARDSTICKS);
      expect(new Set(hosted.map(({ allocator }) => allocator))).toEqual(
        new Set(['bfc', 'default', 'default-no-onednn']),
      );
      for (const { name } of activationRows) {
        for (const pass of ['forward', 'forward_backward']) {
          const fused = hosted.find((row) => row.op === name && row.variant === 'fused' && row.pass === pass);
          expect(fused).toMatchObject({ ok: true, allocator: 'bfc' });
          expect(fused!.vs_reference).toBeGreaterThan(0);
          expect(fused!.vs_stock).toBeGreaterThan(0);
        }
      }
      expect(readFileSync(report, 'utf8')).toMatch(/^<!doctype html>/);
    },
    180_000,
  );

  test('leaves out what is missing, with a note; where nothing is left, it fails', async () => {
    const env = { POLYCOM_LIBRARY: '/nonexistent/libpolycom.so', POLYCOM_TFJS_PACKAGE: 'no-such-package' };
    const { status, stdout, stderr } = await polycom(['bench', 'activations', '--shapes', '8x64'], env);
    expect(status).toBe(1);
    expect(stderr).toMatch(/polycom: nothing was measured: no native library: .*\n {2}remedy: /);
    const { results, notes } = parseDocument(stdout.trimEnd().split('\n').at(-1)!, 'stdout');
    expect(results).toEqual([]);
    expect(notes).toEqual([
      expect.stringMatching(/^no native library: /),
      expect.stringMatching(/^no TensorFlow: no-such-package is not installed/),
    ]);
  });

  test.each([
    [
      ['--device', 'cuda'],
      /polycom: no cuda device can be used here\n {2}remedy: /,
      { CUDA_VISIBLE_DEVICES: '' },
    ],
    [['--shapes', '8by64'], /polycom: shape '8by64'; expected rows x columns/, {}],
    [['--dtype', 'f64'], /polycom: dtype 'f64'; expected some of f32, f16, bf16/, {}],
    [['--backend', 'other'], /Allowed choices are native, tensorflow, all/, {}],
  ])('%j is a line on stderr, not a stack', async (args, message, env) => {
    const { status, stderr } = await polycom(['bench', 'activations', ...args], env);
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n {4}at /);
  });
});

describe.skipIf(emulated === undefined)('polycom bench activations on a GPU', () => {
  test('drives it in every dtype, and calls the emulator what it is', async () => {
    const folder = temporaryFolder();
    const [json, page] = [join(folder, 'gpu.json'), join(folder, 'gpu.html')];
    const args = [
      'bench',
      'activations',
      '--quick',
      '--backend',
      'native',
      '--device',
      'cuda',
      '--json',
      json,
    ];
    const { status, stdout, stderr } = await polycom(args, { POLYCOM_LIBRARY: emulated!.path });
    expect(status, stderr).toBe(0);
    const { results, machine, command } = parseDocument(readFileSync(json, 'utf8'), json);
    expect(command).toBe('npx polycom bench activations --quick --backend native --device cuda');
    expect(machine).toMatchObject({ gpu: 'emulated on the CPU', gpu_sms: 3, gpu_memory_gb: 1 });
    expect(new Set(results.map(({ dtype }) => dtype))).toEqual(new Set(['f32', 'f16', 'bf16']));
    expect(
      results.every(({ ok, device, timing }) => ok && device === 'emulated' && timing === 'device'),
    ).toBe(true);
    expect(stdout).toContain('Driven directly, 8×64 bf16, emulated');
    expect(stdout).toContain('copy (device to device)');
    const same = await polycom(['bench', 'compare', json, json]);
    expect(same.stdout).toContain('warning: emulated rows: their times say nothing of a GPU');
    const report = await polycom(['bench', 'report', json, page]);
    expect(report.status, report.stderr).toBe(0);
    expect(readFileSync(page, 'utf8')).toContain('Emulated: the rows of that name ran on the CPU');
  }, 240_000);

  test('is left alone where nobody asks for it by name', async () => {
    const args = ['bench', 'activations', '--quick', '--backend', 'native', '--shapes', '8x64', '--quiet'];
    const { status, stdout, stderr } = await polycom(args, { POLYCOM_LIBRARY: emulated!.path });
    expect(status, stderr).toBe(0);
    const { results } = parseDocument(stdout.trimEnd().split('\n').at(-1)!, 'stdout');
    expect(new Set(results.map(({ device }) => device))).toEqual(new Set(['cpu']));
  }, 120_000);
});

describe('polycom bench compare and report', () => {
  test('read documents, and refuse other files', async () => {
    const folder = temporaryFolder();
    const [a, page] = [join(folder, 'a.json'), join(folder, 'a.html')];
    writeFileSync(a, JSON.stringify(documentOf(everyKind())));
    const same = await polycom(['bench', 'compare', a, a]);
    expect(same.status, same.stderr).toBe(0);
    expect(same.stdout).toContain(`${everyKind().length} compared, 0 changed beyond the p20–p80 spread\n`);
    const other = await polycom(['bench', 'compare', a, join(ROOT, 'package.json')]);
    expect(other.status).toBe(1);
    expect(other.stderr).toMatch(/^polycom: .*package\.json: schema is undefined; expected 1\n {2}remedy: /);
    const report = await polycom(['bench', 'report', a, page]);
    expect(report.status, report.stderr).toBe(0);
    expect(readFileSync(page, 'utf8')).toContain('PolyNorm, fused');
  });

  test('with --fail-over, ends with 1 where something is that much slower, and names it', async () => {
    const folder = temporaryFolder();
    const files = [1, 1.2].map((factor, i) => {
      const file = join(folder, `${i}.json`);
      const times = { ms_p20: 9.9 * factor, ms_p50: 10 * factor, ms_p80: 10.1 * factor };
      writeFileSync(file, JSON.stringify(documentOf([row(times)])));
      return file;
    });
    const over = (limit: string) => polycom(['bench', 'compare', ...files, '--fail-over', limit]);
    const failing = await over('5%');
    expect(failing.status).toBe(1);
    expect(failing.stderr).toMatch(/^over 5 %: PolyNorm, fused forward, .*: 20 % slower, noise 2 %\n$/);
    expect(await over('25')).toMatchObject({ status: 0, stderr: '' });
    expect((await over('much')).stderr).toContain('expected a percentage, such as 5%.');
    const none = join(folder, 'none.json');
    writeFileSync(none, JSON.stringify(documentOf([])));
    const empty = await polycom(['bench', 'compare', files[0]!, none, '--fail-over', '5%']);
    expect(empty.status).toBe(1);
    expect(empty.stderr).toMatch(/^polycom: the two files have no measurement in common\n {2}remedy: /);
  });
});
