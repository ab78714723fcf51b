import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { deviceFinding } from '../../src/doctor/tensorflow.js';
import { lendCuda } from '../../src/tensorflow/link/cuda-build.js';
import { nvidiaRequirements } from '../../src/tensorflow/link/cuda-wheels.js';
import { findTensorflow, obtainTensorflow } from '../../src/tensorflow/link/find.js';
import { LIBRARIES } from '../../src/tensorflow/link/folder.js';
import { linkTensorflow } from '../../src/tensorflow/link/index.js';
import { cudaWarning, missingCudaFolders } from '../../src/tensorflow/link/runpath.js';
import {
  errorOf,
  makeProject,
  makeWheel,
  removeFolders,
  runs,
  temporaryCache,
  temporaryFolder,
  tensorflowFiles,
  writeFiles,
} from './link-harness.js';

const able = process.platform === 'linux' && runs('c++', '--version') && runs('python3', '--version');
if (!able) console.warn('skipped: TensorFlows with CUDA: they need Linux, c++ and python3');

const CPU_WHEEL = 'tensorflow_cpu-9.9.9-cp311-cp311-manylinux_2_27_x86_64.whl';
const CUDA_WHEEL = 'tensorflow-9.9.9-cp311-cp311-manylinux_2_27_x86_64.whl';
const METADATA = `Version: 9.9.9
Requires-Dist: numpy>=1.26
Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5; extra == "and-cuda"
Requires-Dist: nvidia-cudnn-cu12 (<10.0,>=9.3) ; extra == 'and-cuda'
Requires-Dist: nvidia-tensorrt; extra == "other"
`;

afterEach(() => vi.unstubAllEnvs());
afterAll(removeFolders);

/** A site-packages folder with a TensorFlow that looks for NVIDIA's libraries beside itself. */
function cudaSite(): string {
  const site = temporaryFolder();
  writeFiles(site, { ...tensorflowFiles('9.9.9'), 'tensorflow-9.9.9.dist-info/METADATA': METADATA });
  const runpath = '-Wl,--enable-new-dtags,-rpath,$ORIGIN/../nvidia/cudnn/lib:$ORIGIN/../nvidia/cublas/lib';
  for (const name of LIBRARIES) {
    const args = ['-shared', '-x', 'c++', '/dev/null', runpath, '-o', join(site, 'tensorflow', name)];
    expect(spawnSync('c++', args).status).toBe(0);
  }
  return site;
}

/** Zips a folder into a wheel. */
function zipped(folder: string, name: string): string {
  const wheel = join(temporaryFolder(), name);
  const script = `import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as z:
    for at, _, names in os.walk(sys.argv[2]):
        for name in names:
            path = os.path.join(at, name)
            z.write(path, os.path.relpath(path, sys.argv[2]))`;
  expect(spawnSync('python3', ['-c', script, wheel, folder]).status).toBe(0);
  return wheel;
}

/** Has nvidia-smi show a GPU, or none. */
function machine(gpu: boolean, python: string = ''): void {
  const folder = temporaryFolder();
  const shown = gpu ? "echo '560.1, 9.0, 81559, NVIDIA H100'" : 'exit 9';
  writeFiles(folder, { 'nvidia-smi': `#!/bin/sh\n${shown}\n` });
  if (python !== '') writeFiles(folder, { python3: python });
  vi.stubEnv('PATH', [folder, process.env.PATH].join(delimiter));
}

/** A python3 whose pip serves these wheels by the beginning of their names, and notes what it is asked for. */
function pip(wheels: Readonly<Record<string, string>>, log: string): string {
  const python = spawnSync('sh', ['-c', 'command -v python3'], { encoding: 'utf8' }).stdout.trim();
  const served = Object.entries(wheels).map(([name, wheel]) => `${name}*) cp '${wheel}' "$into";;`);
  return `#!/bin/bash
case "$*" in *'-m pip download'*) ;; *) exec '${python}' "$@";; esac
echo "\${@: -1}" >>'${log}'
for word; do [ "$previous" = --dest ] && into=$word; previous=$word; done
case "\${@: -1}" in ${served.join(' ')} *) echo 'ERROR: No matching distribution found' >&2; exit 1;; esac
`;
}

/** Wheels of NVIDIA's, in miniature. */
function nvidiaWheels(): Record<string, string> {
  const folder = temporaryFolder();
  const wheel = (name: string): string =>
    makeWheel(folder, `nvidia_${name}_cu12-1-py3-none-manylinux_2_27_x86_64.whl`, {
      [`nvidia/${name}/lib/lib${name}.so.12`]: 'code',
      [`nvidia/${name}/include/${name}.h`]: 'not needed',
    });
  return { 'nvidia-cublas': wheel('cublas'), 'nvidia-cudnn': wheel('cudnn') };
}

describe.skipIf(!able)('a TensorFlow for a GPU', () => {
  let lines: string[];
  const say = (line: string): void => void lines.push(line);
  beforeEach(() => {
    lines = [];
    temporaryCache();
    vi.stubEnv('PYTHONPATH', undefined);
  });
  const projectFolder = temporaryFolder();
  const cpuWheel = (): string => makeWheel(temporaryFolder(), CPU_WHEEL, tensorflowFiles('9.9.9'));

  test('goes before the CPU build in the cache, where a GPU is here', async () => {
    await obtainTensorflow({ tensorflow: cpuWheel() }, say);
    vi.stubEnv('PYTHONPATH', cudaSite());
    machine(true);
    expect(await findTensorflow({ projectFolder })).toMatchObject({ source: 'installed' });
    expect(await findTensorflow({ projectFolder, gpu: true })).toMatchObject({ source: 'installed' });
  });

  test('is not stood in for by a CPU build without a word', async () => {
    await obtainTensorflow({ tensorflow: cpuWheel() }, say);
    machine(true);
    // The binding of a TensorFlow that is none does not compile; what is said before is what matters here.
    await errorOf(linkTensorflow({ projectFolder: makeProject(), onProgress: say }));
    expect(lines.join('\n')).toMatch(
      /a GPU is here \(NVIDIA H100\), but this TensorFlow is a CPU build: .*: npx polycom tf-link --gpu/,
    );
    lines = [];
    vi.unstubAllEnvs();
    temporaryCache();
    machine(false);
    await obtainTensorflow({ tensorflow: cpuWheel() }, say);
    await errorOf(linkTensorflow({ projectFolder: makeProject(), onProgress: say }));
    expect(lines.join('\n')).not.toMatch(/GPU/);
  });

  test('whose stream its C++ headers do not give is said to be without, and why', async () => {
    machine(false);
    await errorOf(linkTensorflow({ tensorflow: cudaSite(), projectFolder: makeProject(), onProgress: say }));
    expect(lines.filter((line) => line.includes('stream'))).toEqual([
      expect.stringMatching(/own stream.*has no C\+\+ headers; remedy: name a whole TensorFlow/),
    ]);
  });

  test("is fetched with NVIDIA's libraries on request: sizes first, each package told, once", async () => {
    const log = join(temporaryFolder(), 'log');
    const wheels = { 'tensorflow==': zipped(cudaSite(), CUDA_WHEEL), ...nvidiaWheels() };
    machine(true, pip(wheels, log));
    const { libraryFolder, source } = await obtainTensorflow({ gpu: true, projectFolder }, say);
    expect(source).toBe('fetched');
    expect(lines[0]).toMatch(/^fetching tensorflow==2\.21\.0 .*: about 3 GB, 6 GB once unpacked in \//);
    expect(lines.slice(1, 3)).toEqual([
      'fetching 1 of 2: nvidia-cublas-cu12<13.0,>=12.5',
      'fetching 2 of 2: nvidia-cudnn-cu12<10.0,>=9.3',
    ]);
    expect(missingCudaFolders(libraryFolder)).toEqual([]);
    expect(existsSync(join(libraryFolder, '../nvidia/cublas/lib/libcublas.so.12'))).toBe(true);
    expect(existsSync(join(libraryFolder, '../nvidia/cublas/include'))).toBe(false);
    const again = await obtainTensorflow({ gpu: true, projectFolder }, say);
    expect(again).toMatchObject({ libraryFolder, source: 'cache' });
    // And without being asked for, as a GPU is here.
    expect(await findTensorflow({ projectFolder })).toMatchObject({ libraryFolder });
  });

  test('that cannot be fetched says why, and what does', async () => {
    machine(true, pip({}, join(temporaryFolder(), 'log')));
    const error = await errorOf(obtainTensorflow({ gpu: true, projectFolder }, say));
    expect(error.message).toContain('No matching distribution');
    expect(error.remedy).toContain('PIP_INDEX_URL');
  });

  test("given as a wheel alone takes python3's NVIDIA libraries", async () => {
    const tensorflow = zipped(cudaSite(), CUDA_WHEEL);
    const { libraryFolder } = await obtainTensorflow({ tensorflow }, say);
    const python = temporaryFolder();
    for (const name of ['cudnn', 'cublas'])
      mkdirSync(join(python, 'nvidia', name, 'lib'), { recursive: true });
    expect(cudaWarning(libraryFolder)).toMatch(/\(cudnn, cublas\).*remedy: npx polycom tf-link --gpu/);
    await lendCuda(libraryFolder, say);
    expect(cudaWarning(libraryFolder)).toBeDefined();
    vi.stubEnv('PYTHONPATH', python);
    await lendCuda(libraryFolder, say);
    expect(cudaWarning(libraryFolder)).toBeUndefined();
    expect(lines.at(-1)).toBe(`NVIDIA's libraries are those of python3, in ${join(python, 'nvidia')}`);
    expect((await findTensorflow({ tensorflow }))?.libraryFolder).toBe(libraryFolder);
  });

  test('given as a wheel has what it needs fetched on request', async () => {
    const log = join(temporaryFolder(), 'log');
    machine(true, pip(nvidiaWheels(), log));
    const tensorflow = zipped(cudaSite(), CUDA_WHEEL);
    const { libraryFolder, source } = await obtainTensorflow({ tensorflow, gpu: true }, say);
    expect(source).toBe('given');
    expect(missingCudaFolders(libraryFolder)).toEqual([]);
  });

  test('is no CPU wheel, and no folder with one', async () => {
    machine(true);
    const wheel = await errorOf(obtainTensorflow({ tensorflow: cpuWheel(), gpu: true }, say));
    expect(wheel).toMatchObject({ code: 'TENSORFLOW_NOT_FOUND', remedy: expect.stringContaining('no CUDA') });
    const site = temporaryFolder();
    writeFiles(site, tensorflowFiles('9.9.9'));
    const folder = await errorOf(obtainTensorflow({ tensorflow: site, gpu: true }, say));
    expect(folder).toMatchObject({ message: expect.stringContaining('without CUDA') });
  });
});

test("TensorFlow's metadata names the NVIDIA packages that a GPU needs", () => {
  expect(nvidiaRequirements(METADATA)).toEqual([
    'nvidia-cublas-cu12<13.0,>=12.5',
    'nvidia-cudnn-cu12<10.0,>=9.3',
  ]);
});

test('doctor says that a GPU is here and TensorFlow a CPU build', () => {
  expect(deviceFinding({ device: 'cpu', cuda: false }, 1, {})).toEqual({
    mark: 'absent',
    label: 'device',
    value: 'CPU: a GPU is here, TensorFlow is a CPU build',
    remedy: 'run: npx polycom tf-link --gpu',
  });
});
