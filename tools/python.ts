import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lastLines, runCommand } from '../src/common/command.js';
import { PolycomError } from '../src/common/errors.js';
import { holdingLock } from '../src/common/lock.js';
import { cacheDirectory } from '../src/common/user-cache.js';

/**
 * The wheels that {@link installPeers} installs, and what they need. oneDNN is the last that runs on the compiler's own
 * threads, without a runtime of several hundred megabytes.
 */
const WHEELS = [
  'torch==2.13.0',
  'transformers==5.24.0',
  ...(process.platform === 'linux' && process.arch === 'x64' ? ['onednn-cpu-gomp==2023.2.0'] : []),
];

/**
 * The Python that runs the peers: the one on PATH if it has these modules, else the one of {@link installPeers} if that
 * has been made, else `python3`.
 *
 * @param modules PyTorch if none is named
 */
export async function peersPython(...modules: string[]): Promise<string> {
  if (await has('python3', modules.length === 0 ? ['torch'] : modules)) return 'python3';
  return existsSync(marker()) ? environmentPython() : 'python3';
}

/**
 * Makes a virtual environment with PyTorch, transformers and oneDNN in the user's cache, unless it is there: 1.4 GB with
 * wheels of PyTorch for the CPU alone. Nothing is compiled. pip takes wheels from where it is told to, such as by
 * `PIP_INDEX_URL` or `PIP_FIND_LINKS`.
 *
 * @returns its Python
 * @throws {PolycomError} `BUILD_FAILED`, with the last lines of what failed
 */
export async function installPeers(onOutput: (text: string) => void): Promise<string> {
  const python = environmentPython();
  const folder = dirname(dirname(python));
  mkdirSync(dirname(folder), { recursive: true });
  return await holdingLock(`${folder}.lock`, async () => {
    if (existsSync(marker())) return python;
    await step('python3', ['-m', 'venv', '--clear', folder], onOutput);
    await step(python, ['-m', 'pip', 'install', '--only-binary=:all:', ...WHEELS], onOutput);
    writeFileSync(marker(), '');
    return python;
  });
}

function environmentPython(): string {
  const name = WHEELS.map((wheel) => wheel.replace('==', '-')).join('-');
  return join(cacheDirectory('peers', name), 'bin', 'python');
}

/** A file that the environment has once all is installed: a run that was killed leaves none. */
function marker(): string {
  return join(dirname(dirname(environmentPython())), 'installed');
}

/** Whether a Python has modules, without the seconds that loading them takes. */
async function has(python: string, modules: readonly string[]): Promise<boolean> {
  const probe = 'import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))';
  return (await runCommand(python, ['-c', probe, ...modules])).status === 0;
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
