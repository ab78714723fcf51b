import { join } from 'node:path';
import { expect } from 'vitest';
import { runCommand } from '../../src/command.js';
import { ROOT } from '../tensorflow/link-harness.js';

/** Where bench/peers and bench/gpu lie. */
export const PEERS: string = join(ROOT, 'bench', 'peers');
export const GPU: string = join(ROOT, 'bench', 'gpu');

/** Whether there is a python3. */
export const hasPython: boolean = (await runCommand('python3', ['--version'])).status === 0;

/** What a script prints that may import bench/peers and bench/gpu, as JSON. */
export async function evaluate<T>(
  script: string,
  args: readonly string[] = [],
  program = 'python3',
): Promise<T> {
  const { status, stdout, stderr } = await runCommand(program, ['-B', '-c', script, ...args], {
    ...process.env,
    PYTHONPATH: `${PEERS}:${GPU}`,
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}
