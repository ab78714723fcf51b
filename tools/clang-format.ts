/**
 * Formats native/, or with --check says what is not formatted. clang-format's version matters, so it comes from its
 * Python wheel, in a virtual environment in the user's cache.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../src/cache.js';
import { packageFolder } from '../src/package.js';

const VERSION = '19.1.7';
const environment = cacheDirectory('clang-format', VERSION);
const program = join(environment, 'bin', 'clang-format');

if (!existsSync(program)) {
  execFileSync('python3', ['-m', 'venv', environment], { stdio: 'inherit' });
  execFileSync(join(environment, 'bin', 'pip'), ['install', '--quiet', `clang-format==${VERSION}`], {
    stdio: 'inherit',
  });
}
const files = readdirSync(join(packageFolder, 'native'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(h|cpp|cu|cuh)$/.test(name))
  .map((name) => join(packageFolder, 'native', name));
const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i'];
process.exitCode = spawnSync(program, [...mode, ...files], { stdio: 'inherit' }).status ?? 1;
