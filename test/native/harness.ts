import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { buildNative } from '../../src/native/build.js';
import { findNative, type NativeLibrary, openLibrary } from '../../src/native/library.js';
import type { Queue } from '../../src/native/queue.js';
import { boundOf, errorOf, expected, type Results, sameBits } from '../../src/op/compare.js';
import { Sums } from '../../src/op/sums.js';
import { dtypeOf, type Op, type Sample } from '../../src/op/types.js';

export { callNative, floats, type NativeInput, nativeTensor, runNative } from './run.js';

const found = findNative();
if (!found.found) console.warn(`skipped: the tests of the native library: ${found.reason}`);

/** The library, or undefined where it has not been built: then its tests are skipped, with that printed. */
export const native: NativeLibrary | undefined = found.found ? found : undefined;

const LEVELS = process.arch === 'arm64' ? ['neon'] : ['baseline', 'avx2', 'avx512'];

/** The instruction sets that the CPU kernels can run with here, the least first. */
export const simdLevels: readonly string[] = LEVELS.slice(
  0,
  LEVELS.indexOf(native?.build.simd ?? LEVELS[0]!) + 1,
);

/**
 * The library with the CUDA kernels compiled for the emulator beside this file, whose device memory is host memory;
 * or undefined, with the reason printed, where it does not compile.
 */
export async function emulatedCuda(): Promise<NativeLibrary | undefined> {
  try {
    const folder = join(packageFolder, 'build', 'emulated');
    const strict = process.env.CI !== undefined;
    return openLibrary((await buildNative({ cuda: 'emulated', folder, strict })).library);
  } catch (error) {
    console.warn(`skipped: the tests of the CUDA kernels on the emulator: ${error}`);
    return undefined;
  }
}

/** A host of the C library's ops, and two queues of it that must give the same bits; none where the host is absent. */
export interface QueuePair {
  readonly host: string;
  readonly queues: readonly Queue[] | undefined;
}

/** The CPU with these two numbers of threads, and the CUDA emulator; their queues end with the file's tests. */
export async function queuePairs(threads: readonly [number, number]): Promise<QueuePair[]> {
  const emulated = await emulatedCuda();
  const pairs = [
    { host: 'the CPU', queues: native && threads.map((most) => native!.createQueue({ threads: most })) },
    {
      host: 'the CUDA emulator',
      queues: emulated && [0, 1].map(() => emulated.createQueue({ device: 'cuda' })),
    },
  ];
  afterAll(() => {
    for (const { queues } of pairs) for (const queue of queues ?? []) queue.dispose();
  });
  return pairs;
}

/** Expects results as near to the reference as their dtype lets them be, or as a bound says. */
export function expectClose(got: Results<Float32Array>, op: Op, sample: Sample, bound?: number): void {
  const wanted = expected(op, sample);
  for (const [i, name] of op.outputs.entries()) {
    const sums = wanted.outputs[i]!;
    expect(errorOf(got.outputs[i]!, sums), name).toBeLessThanOrEqual(
      bound ?? boundOf(sums, dtypeOf(op, name, sample)),
    );
  }
  for (const [i, name] of op.gradients.entries()) {
    const sums = wanted.gradients[i]!;
    const most = bound ?? boundOf(sums, dtypeOf(op, name, sample));
    expect(errorOf(got.gradients[i]!, sums), `d${name}`).toBeLessThanOrEqual(most);
  }
}

/** One element of a result, to be compared on its own. */
export function element({ value, terms }: Sums, i: number): Sums {
  const one = new Sums(1);
  one.add(0, value[i]!, terms[i]!);
  return one;
}

/** Expects two results to be the same bits. */
export function expectSame(got: Results<Float32Array>, wanted: Results<Float32Array>, op: Op): void {
  for (const [i, name] of op.outputs.entries())
    expect(sameBits(got.outputs[i]!, wanted.outputs[i]!), name).toBe(true);
  for (const [i, name] of op.gradients.entries())
    expect(sameBits(got.gradients[i]!, wanted.gradients[i]!), `d${name}`).toBe(true);
}
