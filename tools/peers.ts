/**
 * Measures PyTorch and oneDNN on the CPU beside this package's kernels: bench/peers/pytorch_cpu.py, with the library and a Python
 * found for it. What is missing is said in a line, and is no error.
 *
 *   --install   first put them into a virtual environment in the user's cache, where it is not there yet
 *   --help      the script's options, which it is handed
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { PolycomError } from '../src/common/errors.js';
import { packageFolder } from '../src/common/package.js';
import { findNative } from '../src/native/library.js';
import { installPeers, peersPython } from './python.js';

const args = process.argv.slice(2);
const install = args.includes('--install');
const native = findNative();
try {
  const python = install
    ? await installPeers((text) => void process.stderr.write(text))
    : await peersPython();
  if (native.found) await measure(python, native.path);
  else process.stdout.write(`peers: skipped: ${native.reason}; remedy: ${native.remedy}\n`);
} catch (error) {
  if (!(error instanceof PolycomError)) throw error;
  process.stderr.write(`peers: ${error.message}\n`);
  process.exitCode = 1;
}

async function measure(python: string, library: string): Promise<void> {
  const script = join(packageFolder, 'bench', 'peers', 'pytorch_cpu.py');
  const rest = args.filter((arg) => arg !== '--install');
  const child = spawn(python, [script, '--library', library, ...rest], { stdio: 'inherit' });
  const ended = await new Promise<number | string>((resolve) => {
    child.on('error', () => {
      process.stdout.write(`peers: skipped: ${python} does not run; remedy: install Python 3.9 or newer\n`);
      resolve(0);
    });
    child.on('close', (status, signal) => resolve(status ?? signal!));
  });
  if (typeof ended === 'string') process.stderr.write(`peers: ended by ${ended}\n`);
  if (ended !== 0) process.exitCode = typeof ended === 'number' ? ended : 1;
}
