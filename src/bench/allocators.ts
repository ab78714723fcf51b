import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Measured } from './contender.js';
import type { Job, OnStep } from './parts.js';
import type { TensorflowPass } from './tensorflow.js';
import type { Allocator } from './types.js';

/** What the child process is asked to measure. */
export interface ChildJob extends Job {
  readonly passes: readonly TensorflowPass[];
}

/** What it says: what it is at, or what it measured. */
export type ChildMessage<Result = Measured> =
  | { readonly group: string; readonly step: string }
  | { readonly measured: Result };

/** An allocator that this package does not choose. */
export type OtherAllocator = Exclude<Allocator, 'bfc'>;

/** The allocators that this package does not choose, by the environment that chooses them. */
export const OTHER_ALLOCATORS: Readonly<Record<OtherAllocator, NodeJS.ProcessEnv>> = {
  default: {},
  'default-no-onednn': { TF_ENABLE_ONEDNN_OPTS: '0' },
};

/** Measures inside tfjs-node with another allocator: in a process of its own, as TensorFlow reads it when it loads. */
export async function measureAllocator(
  allocator: OtherAllocator,
  job: ChildJob,
  onStep: OnStep,
): Promise<Measured> {
  const script = new URL('./child', import.meta.url);
  const { result, notes } = await forkInAllocator<Measured>(script, allocator, job, onStep);
  return { rows: result?.rows ?? [], notes: [...(result?.notes ?? []), ...notes] };
}

/**
 * Runs a script of this package with another allocator of TensorFlow's.
 *
 * @param script without its extension, which is this file's
 * @param job its argument, as JSON
 * @returns what it sent as `measured`, and what went wrong
 */
export async function forkInAllocator<Result>(
  script: URL,
  allocator: OtherAllocator,
  job: object,
  onStep: OnStep,
): Promise<{ readonly result?: Result; readonly notes: readonly string[] }> {
  const file = `${fileURLToPath(script)}${extname(import.meta.url)}`;
  const child = fork(file, [JSON.stringify(job)], {
    env: environment(OTHER_ALLOCATORS[allocator]),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let measured: Result | undefined;
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.on('message', (message: ChildMessage<Result>) => {
    if ('measured' in message) measured = message.measured;
    else onStep(`${message.group} (allocator: ${allocator})`, message.step);
  });
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.on('close', (...how) => resolve(how));
  });
  const result = measured === undefined ? {} : { result: measured };
  if (measured !== undefined && status === 0) return { ...result, notes: [] };
  const last = stderr.trim().split('\n').at(-1);
  return {
    ...result,
    notes: [
      `the process with the allocator '${allocator}' ended with ${signal ?? `status ${status}`}: ${last}`,
    ],
  };
}

/** This process's environment, without what chose its own allocator. */
function environment(chosen: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, POLYCOM_TF_ALLOCATOR: 'default', ...chosen };
  for (const name of ['TF_CPU_ALLOCATOR_USE_BFC', 'TF_CPU_BFC_MEM_LIMIT_IN_MB']) delete env[name];
  return env;
}
