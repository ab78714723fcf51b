import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheDirectory } from '../src/cache.js';
import { lastLines, runCommand } from '../src/command.js';
import { PolycomError } from '../src/errors.js';
import { holdingLock } from '../src/lock.js';

/** The PyTorch that {@link installTorch} installs. */
const TORCH = 'torch==2.13.0';

/** The Python that runs the peers: the one on PATH if it has PyTorch, else the one of {@link installTorch}. */
export async function peersPython(): Promise<string> {
  for (const python of ['python3', environmentPython()]) if (await hasTorch(python)) return python;
  return 'python3';
}

/**
 * Makes a virtual environment with PyTorch in the user's cache, unless it is there. pip takes PyTorch from where it is
 * told to, such as by `PIP_INDEX_URL`.
 *
 * @returns its Python
 * @throws {PolycomError} `BUILD_FAILED`, with the last lines of what failed
 */
export async function installTorch(onOutput: (text: string) => void): Promise<string> {
  const python = environmentPython();
  const folder = dirname(dirname(python));
  mkdirSync(dirname(folder), { recursive: true });
  return await holdingLock(`${folder}.lock`, async () => {
    if (await hasTorch(python)) return python;
    await step('python3', ['-m', 'venv', folder], onOutput);
    await step(python, ['-m', 'pip', 'install', TORCH], onOutput);
    return python;
  });
}

function environmentPython(): string {
  return join(cacheDirectory('peers', TORCH.replace('==', '-')), 'bin', 'python');
}

/** Whether a Python has PyTorch, without the seconds that loading it takes. */
async function hasTorch(python: string): Promise<boolean> {
  if (python !== 'python3' && !existsSync(python)) return false;
  const probe = 'import sys, importlib.util as u; sys.exit(u.find_spec("torch") is None)';
  return (await runCommand(python, ['-c', probe])).status === 0;
}

async function step(
  program: string,
  args: readonly string[],
  onOutput: (text: string) => void,
): Promise<void> {
  const result = await runCommand(program, args, process.env, onOutput);
  if (result.status === 0) return;
  throw new PolycomError('BUILD_FAILED', `${program} ${args.join(' ')} failed:\n${lastLines(result)}`, {
    remedy: 'see that python3, its venv module and pip work, and where pip takes packages from',
  });
}
