/**
 * Measures what this machine can, quickly, into build/bench, and writes a report of it: the activations on the CPU and,
 * where one can be used, on a GPU; training and generation where TensorFlow runs and, where that is a GPU, on the CPU
 * too, so that the two stand side by side. A part that fails does not keep the next from running.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readAnyDocument } from '../src/bench/models/document.js';
import { packageFolder } from '../src/common/package.js';

const folder = join(packageFolder, 'build', 'bench');
const main = join(packageFolder, 'dist', 'cli', 'main.js');
rmSync(folder, { recursive: true, force: true });

let failed = false;
const written: string[] = [];
for (const name of ['activations', 'train', 'generate']) {
  const file = join(folder, `${name}.json`);
  measure(name, file);
  if (!ranOnGpu(file)) continue;
  const more = name === 'activations' ? ['--backend', 'tensorflow', '--device', 'cpu'] : [];
  measure(name, join(folder, `${name}-cpu.json`), more, { CUDA_VISIBLE_DEVICES: '' });
}
if (written.length > 0) run(['report', ...written, join(folder, 'report.html')]);
if (failed) process.exitCode = 1;

function measure(name: string, file: string, more: string[] = [], env: NodeJS.ProcessEnv = {}): void {
  run([name, '--quick', ...more, '--json', file], env);
  if (existsSync(file)) written.push(file);
}

/** Whether TensorFlow did. */
function ranOnGpu(file: string): boolean {
  if (!existsSync(file)) return false;
  const rows: readonly { backend: string; device: string }[] = readAnyDocument(file).results;
  return rows.some(({ backend, device }) => backend === 'tensorflow' && device === 'cuda');
}

function run(args: string[], env: NodeJS.ProcessEnv = {}): void {
  const options = { stdio: 'inherit', env: { ...process.env, ...env } } as const;
  const { status } = spawnSync(process.execPath, [main, 'bench', ...args], options);
  if (status !== 0) failed = true;
}
