import { afterAll, describe, expect, test } from 'vitest';
import { opRows } from '../../src/ops.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import type { VerifyDocument } from '../../src/verify/index.js';
import { compiler, polycom, Workshop } from '../cli/harness.js';
import { emulatedCuda, native } from '../native/harness.js';

const workshop = new Workshop();
afterAll(() => workshop.remove());
const names = opRows.map(({ name }) => name);
const emulated = await emulatedCuda();
if (!tensorflowStatus.fused) console.warn(`skipped: verify in TensorFlow: ${tensorflowStatus.missing}`);

function verify(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = polycom(['verify', '--json', ...args], env);
  expect(stdout.trim().split('\n'), stderr).toHaveLength(1);
  return { status, document: JSON.parse(stdout) as VerifyDocument };
}

function expectAllRight(
  { status, document }: ReturnType<typeof verify>,
  backend: string,
  device: string,
): void {
  const { results, passed, failed, ok } = document;
  expect(results.filter((result) => !result.ok)).toEqual([]);
  expect([status, ok, failed, passed]).toEqual([0, true, 0, results.length]);
  expect(results.map(({ op }) => op)).toEqual(expect.arrayContaining(names));
  for (const result of results) expect(result).toMatchObject({ backend, device });
  expect(document.hosts).toEqual([{ backend, device }]);
}

describe('polycom verify', () => {
  test.skipIf(native === undefined)('finds the kernels on the CPU right', () => {
    const verified = verify(['--backend', 'native', '--device', 'cpu']);
    expect(verified.document.schema).toBe(1);
    expectAllRight(verified, 'native', 'cpu');
    const dtypes = new Set(verified.document.results.map(({ dtype }) => dtype));
    expect(dtypes).toEqual(new Set(['f32', 'f16', 'bf16']));
  });

  test.skipIf(emulated === undefined)('finds the CUDA kernels right, on the emulator', () => {
    const env = { POLYCOM_LIBRARY: emulated!.path };
    expectAllRight(verify(['--backend', 'native', '--device', 'cuda'], env), 'native', 'cuda');
  });

  test.skipIf(!tensorflowStatus.fused)('finds the ops in TensorFlow right', () => {
    const verified = verify(['--backend', 'tensorflow']);
    expectAllRight(verified, 'tensorflow', verified.document.hosts[0]!.device);
    expect(verified.document.results.some(({ op }) => op.endsWith(' packed'))).toBe(true);
  });

  test.skipIf(!compiler)('finds wrong ones wrong', () => {
    const env = { POLYCOM_LIBRARY: workshop.library('wrong') };
    const { status, document } = verify(['--backend', 'native', '--device', 'cpu'], env);
    expect([status, document.ok]).toEqual([1, false]);
    const wrong = document.results.filter(({ ok }) => !ok);
    expect(new Set(wrong.map(({ op }) => op))).toEqual(new Set(names));
    expect(new Set(wrong.map(({ kind }) => kind))).toContain('backward');
  });

  test.skipIf(!compiler)('outlives a kernel that crashes, and names it', () => {
    const env = { POLYCOM_LIBRARY: workshop.library('crash', '*(volatile int*)1 = 0;') };
    const { status, document } = verify(['--backend', 'native', '--device', 'cpu'], env);
    expect([status, document.passed, document.failed]).toEqual([1, 0, names.length]);
    expect(document.results.map(({ op }) => op)).toEqual(names);
    expect(document.results[0]!.message).toMatch(/crashed with SIGSEGV/);
    expect(document.results[0]!.sample).toMatch(/^1×1 f32/);
    expect(document.results[1]!.message).toBe(`the process had ended in ${names[0]}`);
  });

  test('is an error where there is nothing to verify', () => {
    const env = { POLYCOM_LIBRARY: workshop.path('absent.so') };
    const { status, document } = verify(['--backend', 'native'], env);
    expect([status, document.ok, document.passed, document.failed]).toEqual([1, false, 0, 0]);
    expect(document.hosts[0]!.absent?.remedy).toMatch(/POLYCOM_LIBRARY/);
  });

  test('is an error where a GPU is asked for and there is none', ({ skip }) => {
    if (native === undefined) return skip('there is no native library');
    if (native.deviceCount('cuda') > 0) return skip('there is a GPU');
    const { status, document } = verify(['--backend', 'native', '--device', 'cuda']);
    expect(status).toBe(1);
    expect(document.hosts).toMatchObject([
      { device: 'cuda', absent: { reason: expect.stringMatching(/does not exist|without CUDA/) } },
    ]);
  });

  test.skipIf(!compiler)('ends its table with the counts', () => {
    const env = { POLYCOM_LIBRARY: workshop.library('wrong2') };
    const { stdout, status } = polycom(['verify', '--backend', 'native', '--device', 'cpu'], env);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^FAILED: polynorm, native on cpu, 1×1 f32: y is off by/m);
    expect(stdout.trim().split('\n').at(-1)).toMatch(/^\d+ checks passed, [1-9]\d* failed$/);
  });

  test('knows its options', () => {
    expect(polycom(['verify', '--device', 'tpu']).stderr).toMatch(/cpu, cuda/);
    expect(polycom(['verify', '--timeout', '0']).stderr).toMatch(/seconds/);
  });
});
