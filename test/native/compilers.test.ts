import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lastLines, runCommand } from '../../src/common/command.js';
import { packageFolder, requireHere } from '../../src/common/package.js';

const FAMILIES = [
  [11, 12, 13, 14, 15].map((version) => `g++-${version}`),
  [14, 15, 16, 17, 18, 19, 20].map((version) => `clang++-${version}`),
].map((family) => family.filter((name) => spawnSync(name, ['--version']).status === 0));
const found = FAMILIES.flat();
/** The oldest and the newest of each compile for every instruction set; those between, for one. */
const ends = FAMILIES.flatMap((family) => [family[0], family.at(-1)]);
console.warn(
  `compilers: ${found.join(', ') || 'none'}; others from g++ 11 and clang 14 on are not installed`,
);

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
  test.each(Object.keys(LEVELS).filter((level) => level === 'baseline' || ends.includes(compiler)))(
    'compiles the %s kernels',
    async (level) => {
      const flags = [`-DPC_ISA=${level}`, '-DPC_FORMULA=gelu', ...LEVELS[level]!];
      const kernels = /^(activations\/cpu\/.*|ops\/\w+\/cpu\w*)\.cpp$/;
      expect(await refused(compiler, kernels, flags)).toEqual([]);
    },
    5 * MINUTES,
  );

  test(
    'compiles the library around them, and the addon',
    async () => {
      const library = /^((runtime|activations|tensorflow)\/\w+|ops\/\w+\/(abi|workspace))\.cpp$/;
      expect(await refused(compiler, library, LIBRARY)).toEqual([]);
      const { include_dir } = requireHere('node-api-headers') as { include_dir: string };
      const { include_dir: wrapper } = requireHere('node-addon-api') as { include_dir: string };
      const headers = [include_dir, wrapper].flatMap((folder) => ['-isystem', folder]);
      const definitions = ['-DNAPI_VERSION=8', '-DNAPI_CPP_EXCEPTIONS'];
      expect(await refused(compiler, /^addon\/\w+\.cpp$/, [...headers, ...definitions])).toEqual([]);
    },
    5 * MINUTES,
  );
});

/** What a compiler says of the files that it does not take, of those of native that are named so. */
async function refused(compiler: string, names: RegExp, flags: readonly string[]): Promise<string[]> {
  const native = join(packageFolder, 'native');
  const files = readdirSync(native, { recursive: true, encoding: 'utf8' })
    .filter((name) => names.test(name))
    .map((name) => join(native, name));
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
