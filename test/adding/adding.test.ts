/**
 * docs/adding-an-op.md, followed: its activation and its op are added to a copy of the repository in exactly the places
 * that the page names, and are then found everywhere.
 */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { hasBinding, resolvePackage } from '../../src/tensorflow/link/packages.js';
import { emulatedCuda } from '../native/harness.js';

const MINUTES = 60_000;
const ADDED = ['hardsigmoid', 'lerp'];
const page = readFileSync(join(packageFolder, 'docs', 'adding-an-op.md'), 'utf8');
const copy = mkdtempSync(join(tmpdir(), 'polycom-adding-'));
const library = join(copy, 'build', 'emulated', 'Release', 'libpolycom.so');
const tfjs = resolvePackage('@tensorflow/tfjs-node', packageFolder);

/** Why this cannot be done here. */
function missing(): string | undefined {
  if (!existsSync(join(packageFolder, '.git'))) return 'this is no clone';
  return undefined;
}
const why = missing() ?? ((await emulatedCuda()) === undefined ? 'nothing compiles here' : undefined);
if (why !== undefined) console.warn(`skipped: adding an activation and an op: ${why}`);

/** Runs a program in the copy, whose native library serves as the CPU's and as the emulated CUDA's. */
async function inCopy(program: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, POLYCOM_LIBRARY: library, POLYCOM_TFJS_PACKAGE: '@tensorflow/tfjs-node' };
  const options = { cwd: copy, env, maxBuffer: 2 ** 26 };
  const { stdout } = await promisify(execFile)(program, args, options);
  return stdout;
}

const node = (...args: string[]): Promise<string> => inCopy(process.execPath, '--import', 'tsx', ...args);

/** The files of the repository, as git has them or would add them. */
async function copyRepository(): Promise<void> {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const { stdout } = await promisify(execFile)('git', list, { cwd: packageFolder, maxBuffer: 2 ** 24 });
  for (const name of stdout.split('\0')) {
    const from = join(packageFolder, name);
    if (name === '' || !existsSync(from)) continue;
    mkdirSync(dirname(join(copy, name)), { recursive: true });
    writeFileSync(join(copy, name), readFileSync(from));
  }
  symlinkSync(join(packageFolder, 'node_modules'), join(copy, 'node_modules'));
}

/** Makes the page's edits, in its order: a block with a path is a new file, a diff a change. */
async function follow(): Promise<string[]> {
  const touched: string[] = [];
  for (const [, info, code] of page.matchAll(/^```(\w+(?: \S+)?)\n(.*?)^```$/gms)) {
    const [language, path] = info!.split(' ');
    if (language === 'diff') {
      touched.push(/^\+\+\+ b\/(.*)$/m.exec(code!)![1]!);
      writeFileSync(join(copy, 'edit.diff'), code!);
      await inCopy('git', 'apply', '--unidiff-zero', 'edit.diff');
      rmSync(join(copy, 'edit.diff'));
    } else if (path !== undefined) {
      expect(existsSync(join(copy, path)), path).toBe(false);
      mkdirSync(dirname(join(copy, path)), { recursive: true });
      writeFileSync(join(copy, path), code!);
      touched.push(path);
    }
  }
  return touched;
}

interface Outcome {
  readonly name: string;
  readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
}

/** The outcomes, by file, of the copy's tests of these names. */
async function runTests(
  pattern: string,
  ...files: string[]
): Promise<Map<string, Outcome['assertionResults']>> {
  const json = join(copy, 'tests.json');
  const args = ['run', ...files, '-t', pattern, '--reporter=json', `--outputFile=${json}`];
  const failed = await inCopy(process.execPath, join(copy, 'node_modules/vitest/vitest.mjs'), ...args).then(
    () => undefined,
    (error: Error) => error,
  );
  if (!existsSync(json)) throw failed;
  const { testResults } = JSON.parse(readFileSync(json, 'utf8')) as { testResults: Outcome[] };
  return new Map(
    testResults.map(({ name, assertionResults }) => [
      name.slice(name.indexOf('/test/') + 1),
      assertionResults.filter(({ status }) => status !== 'skipped' && status !== 'pending'),
    ]),
  );
}

describe.skipIf(why !== undefined)('the page on adding an op', () => {
  let touched: string[] = [];
  beforeAll(async () => {
    await copyRepository();
    touched = await follow();
    const build = `import { buildNative } from './src/native/build.ts';
      await buildNative({ cuda: 'emulated', folder: 'build/emulated', strict: true });`;
    await node('--input-type=module', '-e', build);
  }, 20 * MINUTES);
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  test('names four places and a line for the activation', () => {
    expect(touched.slice(0, 5)).toEqual([
      'native/math/hardsigmoid.h',
      'native/include/polycom.h',
      'src/activations/hardsigmoid.ts',
      'src/activations/table.ts',
      'README.md',
    ]);
  });

  test(
    'satisfies the compiler',
    async () => {
      await inCopy(process.execPath, 'node_modules/typescript/lib/tsc.js', '--noEmit', '-p', 'tsconfig.json');
    },
    5 * MINUTES,
  );

  test(
    'is found by every host, the table of C, the layers and the README',
    async (context) => {
      if (tfjs === undefined || !hasBinding(tfjs)) context.skip('tfjs-node is not linked');
      const files = {
        'test/native/kernels.test.ts': ADDED,
        'test/native/table.test.ts': ADDED,
        'test/op/reference.test.ts': ['HardSigmoid', 'lerp'],
        'test/op/composed.test.ts': ['HardSigmoid'],
        'test/tensorflow/ops.test.ts': ['HardSigmoid', 'Lerp'],
        'test/layers/activation.test.ts': ['hardsigmoid'],
        'test/verify/checks.test.ts': ADDED,
        'test/readme.test.ts': ['what is supported is what the rows of the table say'],
      };
      const names = [...new Set(Object.values(files).flat())];
      const outcomes = await runTests(names.join('|'), ...Object.keys(files));
      for (const [file, wanted] of Object.entries(files)) {
        const results = outcomes.get(file) ?? [];
        expect(results.filter(({ status }) => status !== 'passed').map(({ fullName }) => fullName)).toEqual(
          [],
        );
        for (const name of wanted)
          expect(
            results.some(({ fullName }) => fullName.includes(name)),
            `${name} in ${file}`,
          ).toBe(true);
      }
    },
    15 * MINUTES,
  );

  test(
    'is found by the benchmark',
    async () => {
      const args = ['--backend', 'native', '--shapes', '16x64', '--json', 'bench.json', '--quiet'];
      await node('src/cli/main.ts', 'bench', 'activations', ...args);
      const { results } = JSON.parse(readFileSync(join(copy, 'bench.json'), 'utf8')) as {
        results: { op: string; pass: string; ok: boolean }[];
      };
      const rows = results.filter(({ op }) => op === 'hardsigmoid');
      expect(new Set(rows.map(({ pass }) => pass))).toEqual(new Set(['forward', 'backward']));
      expect(rows.every(({ ok }) => ok)).toBe(true);
    },
    10 * MINUTES,
  );

  test(
    'is found by the command line: a model trains with it, and is exported with its formula',
    async () => {
      writeFileSync(join(copy, 'text.txt'), 'To be, or not to be, that is the question. '.repeat(200));
      const model = ['--preset', 'tiny', '--activation', 'hardsigmoid', '--set', 'layers=1'];
      const run = ['--steps', '2', '--batch', '2', '--time', '16', '--out', 'run'];
      await node('src/cli/main.ts', 'train', '--data', 'text.txt', ...model, ...run);
      await node('src/cli/main.ts', 'export', '--model', 'run', '--out', 'exported');
      const formulas = readFileSync(join(copy, 'exported', 'activations_polycom.py'), 'utf8');
      expect(formulas).toMatch(/^def hardsigmoid\(x\):\n.*\n {4}return torch\.clamp\(x \+ 3, 0, 6\) \/ 6$/m);
      expect(formulas).toContain('"hardsigmoid": Activation(hardsigmoid, {}),');
    },
    10 * MINUTES,
  );
});
