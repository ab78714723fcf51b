/** docs/kernels.md: its code is that of docs/kernels/steps.cu, each step of it computes PolyNorm, its counts are true. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { lastLines, runCommand } from '../../src/common/command.js';
import { packageFolder } from '../../src/common/package.js';
import { decodeHalves, encodeHalves } from '../../src/native/dtype.js';
import { koffi } from '../../src/native/koffi.js';
import { compilerCommand } from '../../src/native/tools.js';
import { normal } from '../../src/op/sample.js';
import { stepCosts, stepsTable } from '../../tools/kernel-steps.js';
import { emulatedCuda } from './harness.js';

const docs = join(packageFolder, 'docs');
const source = join(docs, 'kernels', 'steps.cu');
const page = readFileSync(join(docs, 'kernels.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'polycom-steps-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the code that the page shows stands in the source', () => {
  const code = readFileSync(source, 'utf8');
  const shown = Array.from(page.matchAll(/^```cuda\n(.*?)^```/gms), ([, block]) => block!);
  expect(shown.length).toBeGreaterThan(4);
  for (const block of shown) expect(code).toContain(block);
});

const emulated = await emulatedCuda();

describe.skipIf(emulated === undefined)('on the emulator', () => {
  test.each([
    [1, 8],
    [3, 1000],
    [5, 4096],
    [300, 64],
  ])('each step gives PolyNorm of %i rows of %i', async (rows, cols) => {
    const step = await loadSteps();
    const a = [0.5, -1.25, 2];
    const [bias, epsilon] = [0.125, 1e-6];
    const x = encodeHalves(normal(rows * cols, cols), 'bf16');
    const values = decodeHalves(x, 'bf16');
    for (const number of [1, 2, 3, 4, 5]) {
      const y = new Uint16Array(rows * cols);
      expect(step(number, x, y, rows, cols, Float32Array.from(a), bias, epsilon)).toBe(0);
      const got = decodeHalves(y, 'bf16');
      let worst = 0;
      for (let row = 0; row < rows; ++row) {
        const of = values.subarray(row * cols, (row + 1) * cols);
        const roots = [1, 2, 3].map((p) =>
          Math.sqrt(of.reduce((sum, v) => sum + v ** (2 * p), 0) / cols + epsilon),
        );
        for (const [i, v] of of.entries()) {
          const terms = [bias, ...a.map((weight, p) => (weight * v ** (p + 1)) / roots[p]!)];
          const sum = terms.reduce((all, term) => all + term, 0);
          const size = terms.reduce((all, term) => all + Math.abs(term), 0);
          worst = Math.max(worst, Math.abs(got[row * cols + i]! - sum) / size);
        }
      }
      // bf16 rounds by 2^-8 at most; float's own errors are far below that.
      expect(worst, `step ${number}`).toBeLessThan(2 ** -8 + 1e-5);
      expect(worst, `step ${number}`).toBeGreaterThan(0);
    }
  });
});

/** `polynorm_step` of the source, compiled as the emulator's kernels are. */
async function loadSteps() {
  const device = dirname(emulated!.path);
  const library = join(folder, 'steps.so');
  const [compiler, ...words] = compilerCommand();
  const include = ['-I', join(packageFolder, 'test', 'native', 'emulator')];
  const link = [`-L${device}`, `-Wl,-rpath,${device}`, '-lemulated_cuda'];
  const flags = ['-std=gnu++17', '-O1', '-Wno-unknown-pragmas', '-shared', '-fPIC', ...include];
  const args = [...words, ...flags, '-o', library, '-xc++', source, ...link];
  const built = await runCommand(compiler, args);
  expect(built.status, lastLines(built)).toBe(0);
  return koffi()
    .load(library)
    .func(
      'int polynorm_step(int step, const void* x, void* y, int64_t rows, int32_t cols, const float* a, float bias, float epsilon)',
    );
}

test('the counts of the page are those of the machine code', async (context) => {
  const { stdout, missing } = await runCommand(process.env.CUDACXX ?? 'nvcc', ['--version']);
  if (missing || !stdout.includes('release 13.0')) return context.skip('needs the nvcc of the table, 13.0');
  const costs = await stepCosts();
  if (costs === undefined) return context.skip('needs nvdisasm');
  // A formatter lines the page's columns up.
  const cells = (text: string): string => text.replace(/ +/g, ' ').replace(/-+/g, '-');
  expect(cells(page)).toContain(cells(stepsTable(costs)));
});
