import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { buildNative } from '../../src/native/build.js';
import { findNative, type NativeLibrary, openLibrary } from '../../src/native/library.js';
import type { Queue } from '../../src/native/queue.js';
import type { Dtype } from '../../src/native/types.js';
import { boundOf, errorOf, expected, gradientDtype } from '../../src/op/compare.js';
import type { Sums } from '../../src/op/reference.js';
import type { Sample } from '../../src/op/sample.js';
import type { FusedOp } from '../../src/op/types.js';
import { packageFolder } from '../../src/package.js';
import type { Results } from './run.js';

export { floats, runNative, stored, tensorOf } from './run.js';

const found = findNative();
if (!found.found) console.warn(`skipped: the tests of the native library: ${found.reason}`);

/** The library, or undefined where it has not been built: then its tests are skipped, with that printed. */
export const native: NativeLibrary | undefined = found.found ? found : undefined;

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

/** Expects what an op gave to be as near to its reference as its dtype lets it. */
export function expectClose(got: Results, op: FusedOp, sample: Sample): void {
  const wanted = expected(op, sample);
  const near = (values: Float32Array, sums: Sums, dtype: Dtype, name: string) =>
    expect(errorOf(values, sums), name).toBeLessThanOrEqual(boundOf(sums, dtype));
  near(got.y, wanted.y, sample.dtype, 'y');
  for (const [i, name] of op.inputs.entries()) {
    near(got.gradients[i]!, wanted.gradients[i]!, gradientDtype(name, sample), `d${name}`);
  }
}
