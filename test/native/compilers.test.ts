import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lastLines, runCommand } from '../../src/command.js';
import { packageFolder, requireHere } from '../../src/package.js';

const COMPILERS = [
  ...[11, 12, 13, 14, 15].map((version) => `g++-${version}`),
  ...[14, 15, 16, 17, 18, 19, 20].map((version) => `clang++-${version}`),
];
const found = COMPILERS.filter((name) => spawnSync(name, ['--version']).status === 0);
const absent = COMPILERS.filter((name) => !found.includes(name));
console.warn(`skipped: compiling with ${absent.join(', ')}: not installed`);

const LEVELS: Readonly<Record<string, readonly string[]>> = {
  baseline: [],
  ...(process.arch === 'x64' && {
    avx2: ['-mavx2', '-mfma', '-mf16c'],
    avx512: ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma'],
  }),
};
const LIBRARY = [
  '-DPC_VERSION="0"',
  '-DPC_CUDA_ARCHITECTURES=""',
  ...(process.arch === 'x64' ? ['-DPC_X86'] : []),
];
const MINUTES = 60_000;

describe.each(found)('%s', (compiler) => {
  test.each(Object.keys(LEVELS))(
    'compiles the %s kernels',
    async (level) => {
      const flags = [`-DPC_ISA=${level}`, ...LEVELS[level]!];
      expect(await refused(compiler, ['cpu'], flags)).toEqual([]);
    },
    5 * MINUTES,
  );

  test(
    'compiles the library around them, and the addon',
    async () => {
      expect(await refused(compiler, ['core', 'tensorflow'], LIBRARY)).toEqual([]);
      const { include_dir } = requireHere('node-api-headers') as { include_dir: string };
      const { include_dir: wrapper } = requireHere('node-addon-api') as { include_dir: string };
      const headers = [include_dir, wrapper].flatMap((folder) => ['-isystem', folder]);
      const definitions = ['-DNAPI_VERSION=8', '-DNAPI_CPP_EXCEPTIONS'];
      expect(await refused(compiler, ['addon'], [...headers, ...definitions])).toEqual([]);
    },
    5 * MINUTES,
  );
});

/** What a compiler says of the files that it does not take, of these folders of native. */
async function refused(
  compiler: string,
  folders: readonly string[],
  flags: readonly string[],
): Promise<string[]> {
  const native = join(packageFolder, 'native');
  const files = folders.flatMap((folder) =>
    readdirSync(join(native, folder))
      .filter((name) => name.endsWith('.cpp'))
      .map((name) => join(native, folder, name)),
  );
  expect(files.length).toBeGreaterThan(3);
  const common = ['-std=gnu++17', '-fsyntax-only', '-Wall', '-Wextra', '-Wno-psabi'];
  const include = [`-I${native}`, `-I${join(native, 'include')}`];
  const complaints: string[] = [];
  const worker = async (): Promise<void> => {
    for (let file = files.pop(); file !== undefined; file = files.pop()) {
      const result = await runCommand(compiler, [...common, ...include, ...flags, file]);
      if (result.status !== 0) complaints.push(`${file}:\n${lastLines(result)}`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return complaints;
}
