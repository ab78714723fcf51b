/**
 * Runs a script of bench/gpu on this machine's GPU, with the library built in the usual way: main.py checks and times
 * everything (Python alone for the checks, PyTorch for the timings), tune.py measures mappings. Without a GPU it says
 * so, and succeeds.
 *
 *   tsx tools/gpu.ts main.py --parts check    the options after the script's name are handed on
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { runCommand } from '../src/common/command.js';
import { PolycomError } from '../src/common/errors.js';
import { packageFolder } from '../src/common/package.js';
import { buildNative } from '../src/native/build.js';
import { writeOps } from './ops.js';
import { peersPython } from './python.js';

const folder = join(packageFolder, 'bench', 'gpu');
const [script = 'main.py', ...options] = process.argv.slice(2);
writeOps();
const python = await peersPython();
const probe = `import sys; sys.path.insert(0, sys.argv[1]); import driver; print(driver.gpu_problem() or "")`;
const found = await runCommand(python, ['-B', '-c', probe, join(packageFolder, 'test', 'gpu')]);
const problem = found.missing ? `there is no ${python}` : found.stdout.trim() || found.stderr.trim();
if (problem !== '') process.stdout.write(`gpu: skipped: ${problem}\n`);
else await check();

async function check(): Promise<void> {
  try {
    const { library } = await buildNative({
      folder: join(packageFolder, 'build'),
      cuda: 'on',
      onStart: (line) => void process.stderr.write(`gpu: ${line}\n`),
    });
    const args = ['-B', join(folder, script), '--library', library, ...options];
    const child = spawn(python, args, { stdio: 'inherit' });
    process.exitCode = await new Promise<number>((resolve) =>
      child.on('close', (status) => resolve(status ?? 1)),
    );
  } catch (error) {
    if (!(error instanceof PolycomError)) throw error;
    process.stderr.write(`gpu: ${error.message}\n`);
    process.exitCode = 1;
  }
}
