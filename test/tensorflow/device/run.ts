import { expect } from 'vitest';
import { type ChildResult, runTypeScript } from '../link-harness.js';
import { environmentOf, type TestDevice } from './build.js';

/**
 * Runs a program of the folder beside this file in a Node whose TensorFlow has the test's GPU.
 *
 * @returns what it printed, as JSON. It must end well, and say nothing else
 */
export async function runProgram<T>(
  device: TestDevice,
  name: string,
  env: NodeJS.ProcessEnv = {},
): Promise<T> {
  const { status, stdout, stderr } = await startProgram(device, name, env);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout) as T;
}

/** As {@link runProgram}, however it ends. */
export function startProgram(
  device: TestDevice,
  name: string,
  env: NodeJS.ProcessEnv = {},
): Promise<ChildResult> {
  const program = new URL(`./programs/${name}.ts`, import.meta.url).href;
  return runTypeScript(`await import(${JSON.stringify(program)});`, { ...environmentOf(device), ...env });
}
