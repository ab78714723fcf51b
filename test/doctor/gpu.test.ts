import { describe, expect, test } from 'vitest';
import { gpuFindings, runsOn } from '../../src/doctor/gpu.js';
import { nativeFindings } from '../../src/doctor/native.js';
import { deviceFinding } from '../../src/doctor/tensorflow.js';
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
      gpuFindings({ gpus }, { native: native as NativeState, tools: [] }, request).find(
        ({ label }) => label === 'usable',
      );
    expect(usable({})).toMatchObject({ mark: 'absent', remedy: expect.stringMatching(remedy) });
    expect(usable({ device: 'cuda' })?.mark).toBe('broken');
    expect(usable({ device: 'cpu' })?.mark).toBe('absent');
  },
);

test('CUDA kernels that did not compile are said, with the reason and what helps', () => {
  const cuda_failure = { reason: 'nvcc 12.0: too old', remedy: 'name architectures' };
  const native = { ...loaded(0, false), cuda_failure } as NativeState;
  const usable = gpuFindings({ gpus: [gpu] }, { native, tools: [] }, {}).find(
    ({ label }) => label === 'usable',
  );
  expect(usable).toEqual({
    mark: 'absent',
    label: 'usable',
    value: 'no CUDA device: the CUDA kernels did not compile: nvcc 12.0: too old',
    remedy: 'name architectures',
  });
  const kernels = nativeFindings({ native, tools: [] }, {}).find(({ label }) => label === 'CUDA kernels');
  expect(kernels).toMatchObject({
    mark: 'absent',
    value: expect.stringMatching(/did not compile: nvcc 12.0/),
  });
});

test.each([
  ['8.9', 'broken', /npx polycom build, for the GPUs that are here/],
  ['6.1', 'absent', /7\.5 or newer/],
])('a GPU of %s without kernels has a remedy, if there is one', (compute_capability, mark, remedy) => {
  const found = gpuFindings(
    { gpus: [{ ...gpu, compute_capability }] },
    { native: loaded(1), tools: [] },
    {},
  ).find(({ label }) => label === 'kernels');
  expect(found).toMatchObject({ mark, remedy: expect.stringMatching(remedy) });
});

test('a GPU that the library can use is there', () => {
  const found = gpuFindings(
    { driver: '580', gpus: [gpu] },
    { native: loaded(1), tools: [] },
    { device: 'cuda' },
  );
  expect(found.map(({ mark, label }) => [mark, label])).toEqual([
    ['ok', 'GPU'],
    ['ok', 'driver'],
    ['ok', 'usable'],
  ]);
});

test('where nvcc is here, kernels are missing for want of a build with it', () => {
  const nvcc = { name: 'nvcc', program: '/cuda/bin/nvcc', version: '13.0', use: '', remedy: '' } as const;
  const usable = gpuFindings({ gpus: [] }, { native: loaded(0, false), tools: [nvcc] }, {}).find(
    ({ label }) => label === 'usable',
  );
  expect(usable?.remedy).toBe('run: npx polycom build, without --no-cuda (/cuda/bin/nvcc 13.0 is here)');
});

describe("TensorFlow's device", () => {
  const wanted = { backend: 'tensorflow', device: 'cuda' } as const;

  test.each([
    ['no CUDA in it', false, 0, /^link a TensorFlow with CUDA/],
    ['no driver', true, 0, /^install NVIDIA's driver/],
    ['no libraries', true, 1, /cuDNN and cuBLAS|CUDA_VISIBLE_DEVICES/],
    ['nothing known, and no driver', undefined, 0, /driver.*then link a TensorFlow with CUDA/],
    ['nothing known', undefined, 1, /^link a TensorFlow with CUDA/],
  ])('is the CPU for %s, which is the remedy', (_, cuda, gpus, remedy) => {
    const state = { device: 'cpu', ...(cuda === undefined ? {} : { cuda }) } as const;
    expect(deviceFinding(state, gpus, wanted)).toMatchObject({
      mark: 'broken',
      remedy: expect.stringMatching(remedy),
    });
    expect(deviceFinding(state, gpus, {})).toMatchObject({
      mark: 'ok',
      value: expect.stringMatching(/^CPU/),
    });
  });

  test('says that a TensorFlow with CUDA is linked, also where nobody asks for a GPU', () => {
    expect(deviceFinding({ device: 'cpu', cuda: true }, 0, {}).value).toBe(
      'CPU: this TensorFlow has CUDA, but no GPU or no driver was found',
    );
    expect(deviceFinding({ device: 'cpu', cuda: false }, 0, {}).value).toBe('CPU');
    expect(deviceFinding({ device: 'cuda', cuda: true }, 1, wanted).mark).toBe('ok');
  });
});
