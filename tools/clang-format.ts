/** Formats native/, or with --check says what is not formatted. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../src/common/package.js';
import { wheelProgram } from './wheel.js';

const program = wheelProgram('clang-format', '19.1.7', 'clang-format');
const files = readdirSync(join(packageFolder, 'native'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(h|cpp|cu|cuh)$/.test(name))
  .map((name) => join(packageFolder, 'native', name));
const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i'];
process.exitCode = spawnSync(program, [...mode, ...files], { stdio: 'inherit' }).status ?? 1;
