import { expect, test } from 'vitest';
import { gpuFindings, runsOn } from '../../src/doctor/gpu.js';
import type { NativeState } from '../../src/doctor/types.js';

test.each([
  ['90-real', '9.0', true],
  ['80-real', '8.6', true], // machine code runs on later chips of its generation
  ['86-real', '8.0', false],
  ['80-real', '9.0', false],
  ['80-real,90-real,100', '12.0', true], // PTX runs on all later ones
  ['80-virtual', '9.0', true],
  ['100', '9.0', false],
  ['90a-real', '9.0', true],
  ['all', '5.0', true],
])('kernels for %s on compute capability %s: %s', (architectures, compute_capability, runs) => {
  expect(runsOn(architectures, { compute_capability })).toBe(runs);
});

const build = { version: '0', cuda: true, cuda_architectures: '90-real', simd: 'avx2', cpus: 1 };
const loaded = (cuda: number, kernels = true): NativeState => ({
  state: 'loaded',
  path: '/library',
  build: { ...build, cuda: kernels },
  devices: { cpu: 1, cuda },
});
const gpu = { name: 'GPU', compute_capability: '9.0', memory_mib: 1024 };

test.each([
  ['a library without CUDA', loaded(0, false), [gpu], /--require-cuda/],
  ['no GPU', loaded(0), [], /driver/],
  ['a driver that is too old', loaded(0), [gpu], /update the driver/],
  ['no library', { state: 'absent', reason: 'none', remedy: 'build one' }, [gpu], /build one/],
] as const)(
  '%s is normal, an error where a GPU is asked for, and has a remedy',
  (_, native, gpus, remedy) => {
    const usable = (request: object) =>
      gpuFindings({ gpus }, native as NativeState, request).find(({ label }) => label === 'usable');
    expect(usable({})).toMatchObject({ mark: 'absent', remedy: expect.stringMatching(remedy) });
    expect(usable({ device: 'cuda' })?.mark).toBe('broken');
    expect(usable({ device: 'cpu' })?.mark).toBe('absent');
  },
);

test('a GPU that the library can use is there', () => {
  const found = gpuFindings({ driver: '580', gpus: [gpu] }, loaded(1), { device: 'cuda' });
  expect(found.map(({ mark, label }) => [mark, label])).toEqual([
    ['ok', 'GPU'],
    ['ok', 'driver'],
    ['ok', 'usable'],
  ]);
});
