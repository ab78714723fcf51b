import { delimiter, join } from 'node:path';
import { expect } from 'vitest';
import { runCommand } from '../../src/common/command.js';
import { writeOps } from '../../tools/ops.js';
import { ROOT } from '../tensorflow/link-harness.js';

// The scripts read it.
writeOps();
// Their models are so small that a thread more costs more than it brings, beside tests that run at the same time.
process.env.OMP_NUM_THREADS ??= '1';

/** Where the scripts in Python lie: the peers, a GPU's timings, and its checks. */
export const PEERS: string = join(ROOT, 'bench', 'peers');
export const GPU: string = join(ROOT, 'bench', 'gpu');
export const CHECKS: string = join(ROOT, 'test', 'gpu');

/** Whether there is a python3. */
export const hasPython: boolean = (await runCommand('python3', ['--version'])).status === 0;

/** What a script prints that may import all of them, as JSON. */
export async function evaluate<T>(
  script: string,
  args: readonly string[] = [],
  program = 'python3',
): Promise<T> {
  const { status, stdout, stderr } = await runCommand(program, ['-B', '-c', script, ...args], {
    ...process.env,
    PYTHONPATH: [PEERS, GPU, CHECKS].join(delimiter),
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}
