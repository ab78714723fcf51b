import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { NO_TENSORFLOW } from '../cli/harness.js';

/** Of processes that train on tfjs's own kernels. */
export const env: NodeJS.ProcessEnv = { ...process.env, ...NO_TENSORFLOW };
/** The arguments of Node that make it the command line. */
export const POLYCOM: readonly string[] = ['--import', 'tsx', join(packageFolder, 'src/cli/main.ts')];

/** Processes that end with the test. */
export const started: ChildProcessWithoutNullStreams[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** A process of the command line, from the sources, and all that it writes. */
export class Running {
  readonly child: ChildProcessWithoutNullStreams;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [...POLYCOM, ...args], { cwd: packageFolder, env });
    started.push(this.child);
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  get runs(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo() && this.runs) await sleep(10);
  }

  async ended(): Promise<[number | null, NodeJS.Signals | null]> {
    if (this.runs) await once(this.child, 'close');
    return [this.child.exitCode, this.child.signalCode];
  }
}

/** The command of a training that takes steps in a few milliseconds, and does not end by itself. */
export function training(out: string, ...more: readonly string[]): string[] {
  const sizes = ['width=8', 'layers=1', 'heads=1', 'kvHeads=1', 'headWidth=4', 'hidden=8'];
  const model = ['--preset', 'tiny', ...sizes.flatMap((size) => ['--set', size])];
  const rest = ['--backend', 'cpu', '--batch', '2', '--time', '16', '--steps', '100000', '--save-every', '0'];
  return ['train', '--data', 'synthetic', '--out', out, ...model, ...rest, ...more];
}

/** How many steps a run's log has, which may be in writing. */
export const stepsOf = (run: string): number => {
  const log = join(run, 'log.jsonl');
  return existsSync(log) ? readFileSync(log, 'utf8').split('"kind":"step"').length - 1 : 0;
};
