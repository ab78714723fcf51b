import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LIBRARIES } from '../../src/tensorflow/link/folder.js';
import { cudaWarning, missingCudaFolders, runpathOf } from '../../src/tensorflow/link/runpath.js';
import { removeFolders, runs, temporaryFolder } from './link-harness.js';

afterAll(removeFolders);
const compiler = runs('c++', '--version') && process.platform === 'linux';
if (!compiler) console.warn('skipped: the RUNPATH of libraries: no c++');

/** TensorFlow's two libraries in a folder, each with this RUNPATH. */
function libraries(runpath: string): string {
  const folder = join(temporaryFolder(), 'tensorflow');
  mkdirSync(folder);
  for (const name of LIBRARIES) {
    const link = ['-shared', '-x', 'c++', '/dev/null', `-Wl,--enable-new-dtags,-rpath,${runpath}`];
    expect(spawnSync('c++', [...link, '-o', join(folder, name)]).status).toBe(0);
  }
  return folder;
}

test.skipIf(!compiler)(
  "a wheel of TensorFlow with CUDA is told from one with NVIDIA's libraries beside it",
  () => {
    const folder = libraries('$ORIGIN/../nvidia/cudnn/lib:$ORIGIN/../nvidia/cublas/lib:$ORIGIN/');
    expect(runpathOf(join(folder, LIBRARIES[0]!))).toEqual([
      '$ORIGIN/../nvidia/cudnn/lib',
      '$ORIGIN/../nvidia/cublas/lib',
      '$ORIGIN/',
    ]);
    const nvidia = join(folder, '..', 'nvidia');
    expect(missingCudaFolders(folder)).toEqual([join(nvidia, 'cudnn', 'lib'), join(nvidia, 'cublas', 'lib')]);
    expect(cudaWarning(folder)).toContain(
      `NVIDIA's libraries (cudnn, cublas) are not beside it in ${nvidia}: `,
    );
    for (const name of ['cudnn', 'cublas']) mkdirSync(join(nvidia, name, 'lib'), { recursive: true });
    expect(cudaWarning(folder)).toBeUndefined();
  },
);

test.skipIf(!compiler)('one without CUDA wants none', () => {
  expect(cudaWarning(libraries('$ORIGIN/'))).toBeUndefined();
});

test('what is no library has no RUNPATH', () => {
  const file = join(temporaryFolder(), 'file');
  for (const content of ['', 'text', '\x7fELF\x02\x01']) {
    writeFileSync(file, content);
    expect(runpathOf(file)).toEqual([]);
  }
});
