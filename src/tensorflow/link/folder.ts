import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type CommandResult, runCommand } from '../../common/command.js';
import { requireHere } from '../../common/package.js';
import { IS_CUDA_ENABLED } from '../cuda.js';

/** The two libraries of a TensorFlow ≥ 2.12 wheel, in the order in which they must load. */
export const LIBRARIES: readonly string[] = ['libtensorflow_framework.so.2', 'libtensorflow_cc.so.2'];

/** The oldest TensorFlow whose libraries hold all that tfjs-node's binding needs. */
export const OLDEST_VERSION = '2.12.0';

/** Where the parts of a TensorFlow lie. */
export interface TensorflowFolder {
  readonly libraryFolder: string;
  readonly includeFolder: string;
}

/**
 * Recognises a TensorFlow in a folder: a site-packages folder, its `tensorflow` folder, a prefix with `lib` and
 * `include`, or the libraries' own folder with `include` in or beside it.
 */
export function tensorflowIn(folder: string): TensorflowFolder | undefined {
  const root = resolve(folder);
  const libraryFolder = [root, join(root, 'tensorflow'), join(root, 'lib')].find(hasLibraries);
  if (libraryFolder === undefined) return undefined;
  const includeFolder = [join(libraryFolder, 'include'), join(dirname(libraryFolder), 'include')].find(
    hasHeaders,
  );
  return includeFolder === undefined ? undefined : { libraryFolder, includeFolder };
}

/** Whether both libraries lie in a folder. */
export function hasLibraries(folder: string): boolean {
  return LIBRARIES.every((name) => existsSync(join(folder, name)));
}

/** The version, from the wheel's metadata beside the package's folder; else by asking the library itself. */
export async function versionOf(libraryFolder: string): Promise<string | undefined> {
  const names = await readdir(dirname(libraryFolder)).catch(() => []);
  for (const name of names) {
    const version = /^(?:tensorflow|tf)[a-z_]*-(\d[^-]*)\.dist-info$/.exec(name)?.[1];
    if (version !== undefined) return version;
  }
  const loaded = await loadLibraries(libraryFolder);
  return loaded.status === 0 ? loaded.stdout.split('\n')[0] : undefined;
}

/**
 * Loads both libraries in a process of their own, which prints TensorFlow's version, and whether it was built with
 * CUDA. It ends by `process.exit`:
 * at a natural end koffi would unload TensorFlow under its threads.
 */
export function loadLibraries(libraryFolder: string): Promise<CommandResult> {
  const koffi = requireHere.resolve('koffi');
  const script = `const koffi = require(${JSON.stringify(koffi)});
const held = ${JSON.stringify(LIBRARIES.map((name) => join(libraryFolder, name)))}.map((path) => koffi.load(path));
console.log(held[1].func('const char *TF_Version()')());
const cuda = held.map((library) => {
  try { return library.func('${IS_CUDA_ENABLED}', 'bool', [])(); } catch { return false; }
});
console.log(cuda.includes(true));
process.exit(0);`;
  return runCommand(process.execPath, ['-e', script]);
}

/** Whether a version (`2.21.0`, `2.16.0-rc1`) is at least another. */
export function isAtLeast(version: string, oldest: string): boolean {
  const [have, want] = [numbers(version), numbers(oldest)];
  for (let i = 0; i < 3; ++i) {
    const difference = (have[i] ?? 0) - (want[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function numbers(version: string): number[] {
  return version.split('.').map((part) => Number.parseInt(part, 10) || 0);
}

function hasHeaders(folder: string): boolean {
  return existsSync(join(folder, 'tensorflow', 'c', 'eager', 'c_api.h'));
}
