import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { openWaits } from '../../tools/ptx-vectors.js';
import { Workshop } from '../cli/harness.js';

const nvcc = process.env.CUDACXX ?? 'nvcc';
const able = spawnSync(nvcc, ['--version']).status === 0;
if (!able) console.warn('skipped: what nvcc makes of single functions: no nvcc');
const shop = new Workshop();
afterAll(() => shop.remove());

/** The PTX of a file that includes these headers of native. */
function ptxOf(headers: readonly string[], code: string): string {
  const source = shop.write('kernel.cu', [...headers.map((name) => `#include "${name}"`), code].join('\n'));
  const native = join(packageFolder, 'native');
  const include = ['-I', native, '-I', join(native, 'include')];
  const args = [
    '-std=c++17',
    '-O3',
    '-arch=sm_90',
    '-ptx',
    ...include,
    '-o',
    shop.path('kernel.ptx'),
    source,
  ];
  const { status, stderr } = spawnSync(nvcc, args, { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return readFileSync(shop.path('kernel.ptx'), 'utf8');
}

test.skipIf(!able)('1 / x keeps the subnormal results that __fdividef makes 0', () => {
  const ptx = ptxOf(
    ['math/portable.h'],
    '__global__ void kernel(float* x) { *x = polycom::reciprocal(*x); }',
  );
  expect(ptx).toContain('rcp.approx.f32');
  expect(ptx).not.toMatch(/div\.|\.ftz/);
});

test.skipIf(!able)('nothing that was copied is read before the wait for it', () => {
  const ptx = ptxOf(
    ['runtime/cuda/async.cuh'],
    `__global__ void kernel(const float* x, float* y, int pending) {
  __shared__ float room[64];
  __pipeline_memcpy_async(room + 4 * threadIdx.x, x + 4 * threadIdx.x, 16);
  __pipeline_commit();
  const float before = room[4 * threadIdx.x];
  polycom::cuda::wait_for_copies(pending);
  y[threadIdx.x] = before + room[4 * threadIdx.x];
}`,
  );
  expect(ptx).toMatch(/cp\.async\.wait_group[\s\S]*ld\.shared/);
  expect(openWaits(ptx)).toEqual([]);
});
