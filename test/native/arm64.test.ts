import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../../src/common/command.js';
import { packageFolder } from '../../src/common/package.js';
import type { VerifyDocument } from '../../src/verify/index.js';
import { type Arm64, arm64 } from './arm64/host.js';

/** Whose kernels all tests of kernels.test.ts are run for: half a minute each. `all` takes a quarter of an hour or more. */
const ops = process.env.POLYCOM_ARM64_OPS ?? 'silu';
const MINUTES = 60_000;

describe('the kernels for 64-bit Arm, under QEMU', () => {
  let host: Arm64 | undefined;
  beforeAll(async () => {
    const found = await arm64();
    if (typeof found === 'string') console.warn(`skipped: the tests of the kernels for 64-bit Arm: ${found}`);
    else host = found;
  }, 30 * MINUTES);

  async function run(
    program: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<unknown> {
    const { stdout, stderr } = await runCommand(program, args, { ...process.env, ...host!.env, ...env });
    expect(stdout, stderr).not.toBe('');
    return JSON.parse(stdout);
  }

  test('agree with the reference', { timeout: 30 * MINUTES }, async (context) => {
    if (host === undefined) return context.skip('no such kernels here');
    const checked = await run(host.node, ['--import', 'tsx', 'test/native/simd-check.ts']);
    expect(checked).toEqual({ simd: 'neon', checked: expect.any(Number), wrong: [] });
    expect((checked as { checked: number }).checked).toBeGreaterThan(50);
  });

  test('pass polycom verify', { timeout: 30 * MINUTES }, async (context) => {
    if (host === undefined) return context.skip('no such kernels here');
    const only = ['--backend', 'native', '--device', 'cpu', '--timeout', '600', '--json'];
    const command = ['--import', 'tsx', 'src/cli/main.ts', 'verify', ...only];
    const { results, passed } = (await run(host.node, command)) as VerifyDocument;
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(passed).toBeGreaterThan(500);
  });

  test(`pass the tests of the kernels: ${ops}`, { timeout: 60 * MINUTES }, async (context) => {
    if (host === undefined) return context.skip('no such kernels here');
    const vitest = join(packageFolder, 'node_modules/vitest/vitest.mjs');
    const names = ops === 'all' ? '\\w+' : ops.replaceAll(',', '|');
    const only = ['test/native/kernels.test.ts', '--testNamePattern', `^'(${names})'.* on 'the CPU'`];
    const args = [vitest, 'run', '--config', 'test/native/arm64/vitest.config.ts', ...only];
    const env = { POLYCOM_ARM64_NODE: host.node, VITEST: undefined, VITEST_WORKER_ID: undefined };
    const report = (await run(process.execPath, args, env)) as {
      numPassedTests: number;
      numFailedTests: number;
      testResults: { assertionResults: { status: string; fullName: string; failureMessages: string[] }[] }[];
    };
    const results = report.testResults.flatMap(({ assertionResults }) => assertionResults);
    expect(results.filter(({ status }) => status === 'failed')).toEqual([]);
    expect(report.numPassedTests).toBeGreaterThan(50);
  });
});
