import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { cudaTarget, listedArchitectures } from '../../src/native/architectures.js';
import { choiceOf } from '../../src/native/stamp.js';
import { able, QuickBuilds } from './build-harness.js';

const MINUTES = 60_000;
const builds = new QuickBuilds();
const { shop } = builds;
afterAll(() => shop.remove());
afterEach(() => vi.unstubAllEnvs());

/** What `nvcc --list-gpu-arch` prints, by toolkit. */
const TOOLKITS = {
  '12.0': [50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90],
  '12.8': [50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90, 100, 101, 120],
  '13.0': [75, 80, 86, 87, 88, 89, 90, 100, 110, 103, 120, 121],
} as const;
type Toolkit = keyof typeof TOOLKITS;

/** An nvcc that tells what a toolkit's knows, and then does what the script says. */
function nvcc(toolkit: Toolkit, script: string): string {
  const known = TOOLKITS[toolkit].map((architecture) => `compute_${architecture}`).join('\\n');
  return shop.write(
    'nvcc',
    `#!/bin/bash
case "$*" in
  --version) echo 'Cuda compilation tools, release ${toolkit}, V${toolkit}.99'; exit;;
  --list-gpu-arch) printf '${known}\\n'; exit;;
esac
${script}
`,
    0o755,
  );
}

/** What a toolkit's nvcc does with an architecture that it does not know. */
const REFUSES = (toolkit: Toolkit): string => `
for number in $(grep -oE '(compute|sm)_[0-9]+' <<<"$*" | grep -oE '[0-9]+$'); do
  case ' ${TOOLKITS[toolkit].join(' ')} ' in *" $number "*) continue;; esac
  echo "nvcc fatal   : Unsupported gpu architecture 'compute_$number'" >&2
  exit 1
done
`;

/** Puts an nvidia-smi that prints this first on the PATH of this process. */
function nvidiaSmi(text: string, status: number = 0): string {
  shop.write('nvidia-smi', `#!/bin/sh\nprintf '${text}'\nexit ${status}\n`, 0o755);
  return `${shop.folder}${delimiter}${process.env.PATH}`;
}
const GPU = {
  ada: '560.1, 8.9, 24564, NVIDIA GeForce RTX 4090\\n',
  hopper: '560.1, 9.0, 81559, NVIDIA H100\\n',
};

describe.skipIf(!able)('the architectures of a toolkit', () => {
  const architectures = (compiler: string, gpus: string): string => {
    const script = shop.write(
      'list.cmake',
      `cmake_minimum_required(VERSION 3.22)
include(${packageFolder}/native/cuda-architectures.cmake)
polycom_cuda_architectures(list "${compiler}" "${gpus}")
message("\${list}")
`,
    );
    const { status, stderr } = spawnSync('cmake', ['-P', script], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    return stderr.trim();
  };

  test.each<[Toolkit, string, string]>([
    ['12.0', '', '75-real;80-real;86-real;89-real;90'],
    ['12.8', '', '75-real;80-real;86-real;89-real;90-real;100;120'],
    ['13.0', '', '75-real;80-real;86-real;89-real;90-real;100;120'],
    ['12.0', '89', '89-real'],
    ['12.0', '86;90', '86-real;90-real'],
    ['13.0', '103', '103-real'],
    // A GPU newer than the toolkit runs PTX; one older than the kernels has none.
    ['12.0', '90;120', '90'],
    ['12.8', '121', '120'],
    ['13.0', '61;86', '86-real'],
    ['12.0', '61', '75-real;80-real;86-real;89-real;90'],
  ])('CUDA %s for "%s" are %s', (toolkit, gpus, list) => {
    expect(architectures(nvcc(toolkit, ''), gpus)).toBe(list);
  });

  test('are all where the compiler does not say', () => {
    expect(architectures(shop.path('absent'), '')).toBe('75-real;80-real;86-real;89-real;90-real;100;120');
  });
});

test('the kernels are written for these architectures', () => {
  expect(listedArchitectures()).toEqual(['75', '80', '86', '89', '90', '100', '120']);
});

describe.skipIf(process.platform === 'win32')('what is compiled for', () => {
  beforeEach(() => vi.stubEnv('CUDAARCHS', undefined));
  const target = async (smi: string, status = 0, asked?: string): Promise<object> => {
    vi.stubEnv('PATH', nvidiaSmi(smi, status));
    return cudaTarget(asked);
  };

  test('is the GPUs that are here', async () => {
    const one = { architectures: '89-real', gpus: '89' };
    expect(await target(GPU.ada + GPU.ada)).toEqual(one);
    expect(await target(GPU.hopper + GPU.ada)).toEqual({ architectures: '89-real;90-real', gpus: '89;90' });
  });

  test('is everything without a GPU, or with none that is served', async () => {
    expect(await target('no devices\\n', 9)).toEqual({ architectures: 'all' });
    expect(await target('470.1, 6.1, 8192, NVIDIA GeForce GTX 1080\\n')).toEqual({ architectures: 'all' });
  });

  test('is what --architectures says, and else CUDAARCHS', async () => {
    expect(await target(GPU.ada, 0, '90-real')).toEqual({ architectures: '90-real' });
    vi.stubEnv('CUDAARCHS', 'all');
    expect(await target(GPU.ada)).toEqual({ architectures: 'all' });
    expect(await target(GPU.ada, 0, '90-real')).toEqual({ architectures: '90-real' });
  });
});

const realNvcc = spawnSync('nvcc', ['--version']).status === 0;
if (!realNvcc) console.warn('skipped: builds by an nvcc that passes for an older one: no nvcc');
/** Compiles nothing of native, and everything else (what CMake tries) by the real one. */
const QUICK = (path: string): string => `
kernels=0 previous=
for word; do
  case $word in ${packageFolder}/native/*.cu | */elementwise/*.cu) kernels=1;; esac
  [ "$previous" = -o ] && output=$word
  previous=$word
done
if [ $kernels = 1 ]; then
  for word; do [ "$previous" = -MF ] && echo "$output:" >"$word"; previous=$word; done
  exec c++ -c -fPIC -xc++ /dev/null -o "$output"
fi
PATH='${path}' exec nvcc "$@"`;

describe.skipIf(!able)('polycom build with CUDA', () => {
  beforeEach(() => builds.reset());
  const PATH = process.env.PATH!;
  const noGpu = (): NodeJS.ProcessEnv => ({ PATH: nvidiaSmi('', 9), CUDAARCHS: undefined });

  test.skipIf(!realNvcc)(
    'is for what an old toolkit knows, with no warning as an error',
    async () => {
      const old = nvcc('12.0', REFUSES('12.0') + QUICK(PATH));
      // As in a consumer's CI.
      const { ended } = builds.start({ ...noGpu(), CUDACXX: old, CI: 'true' }, []);
      const { status, stdout, stderr } = await ended;
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(/and CUDA kernels for 75-real;80-real;86-real;89-real;90\n$/);
      expect(builds.compiled().join('\n')).not.toMatch(/-Werror/);
    },
    5 * MINUTES,
  );

  test(
    'whose nvcc refuses what was asked for builds the CPU kernels, and says why and what helps',
    async () => {
      const old = nvcc('12.0', `${REFUSES('12.0')}echo 'nvcc fatal   : nothing but refusals' >&2; exit 1`);
      const env = { ...noGpu(), CUDACXX: old };
      const first = await builds.start(env, ['--architectures', '100']).ended;
      expect(first.status, first.stderr).toBe(0);
      const why = `${old} 12.0.99: nvcc fatal   : Unsupported gpu architecture 'compute_100'`;
      const said = `it holds CPU kernels alone, as the CUDA kernels do not compile: ${why}\nremedy: name architectures`;
      expect(first.stdout).toContain(said);
      expect(first.stdout).toContain('--architectures 90');
      expect(first.stderr).toContain(`the CUDA kernels do not compile: ${why}`);
      expect(choiceOf(join(shop.path('cache/native'), builds.stored()[0]!, 'libpolycom.so'))).toMatchObject({
        found: false,
        failure: { reason: why },
      });
      const again = await builds.start(env, ['--architectures', '100']).ended;
      expect(again.stdout).toMatch(/is up to date\n/);
      expect(again.stdout).toContain(said);
      const insists = await builds.start(env, ['--architectures', '100', '--require-cuda']).ended;
      expect(insists.status).toBe(1);
      expect(insists.stderr).toMatch(/remedy: name architectures that this nvcc knows/);
    },
    5 * MINUTES,
  );

  test(
    'that fails with a compiler that takes nothing is not blamed on CUDA',
    async () => {
      shop.write('fail', '');
      const env = { ...noGpu(), CUDACXX: nvcc('12.0', 'exit 1') };
      const { status, stderr } = await builds.start(env, []).ended;
      expect(status).toBe(1);
      expect(stderr).toMatch(/remedy: .*CXX/);
    },
    3 * MINUTES,
  );
});
