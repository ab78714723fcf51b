import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../src/common/user-cache.js';

/**
 * A program of a Python wheel, whose version matters: pip puts it into a virtual environment in the user's cache, once.
 *
 * @param path where the program lies in the environment's folder of programs, or of packages
 */
export function wheelProgram(wheel: string, version: string, path: string): string {
  const environment = cacheDirectory(wheel, version);
  const found = locate(environment, path);
  if (found !== undefined) return found;
  execFileSync('python3', ['-m', 'venv', environment], { stdio: 'inherit' });
  const pip = ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', `${wheel}==${version}`];
  execFileSync(join(environment, 'bin', 'python'), pip, { stdio: 'inherit' });
  const program = locate(environment, path);
  if (program === undefined) throw new Error(`the wheel ${wheel} ${version} has no ${path}`);
  chmodSync(program, 0o755);
  return program;
}

function locate(environment: string, path: string): string | undefined {
  const lib = join(environment, 'lib');
  const packages = existsSync(lib) ? readdirSync(lib).map((name) => join(lib, name, 'site-packages')) : [];
  return [join(environment, 'bin'), ...packages].map((folder) => join(folder, path)).find(existsSync);
}
