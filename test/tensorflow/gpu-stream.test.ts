/** The library that finds TensorFlow's stream in its C++ objects, compiled with the linked TensorFlow's headers. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { streamFinding } from '../../src/doctor/tensorflow.js';
import { tensorflowIn } from '../../src/tensorflow/link/folder.js';
import { resolvePackage, streamLibraryOf } from '../../src/tensorflow/link/packages.js';
import { compileStream, hasCppHeaders, linkStream } from '../../src/tensorflow/link/stream.js';
import { testDevice } from './device/build.js';
import { runProgram, startProgram } from './device/run.js';
import {
  makeProject,
  ROOT,
  removeFolders,
  temporaryCache,
  temporaryFolder,
  tensorflowFiles,
  writeFiles,
} from './link-harness.js';

const device = await testDevice();
const folder = device && dirname(device.tensorflow[0]!);
const parts = folder === undefined ? undefined : tensorflowIn(folder);
const tensorflow =
  parts !== undefined && hasCppHeaders(parts.includeFolder)
    ? ({ ...parts, version: 'linked', source: 'cache' } as const)
    : undefined;
if (device !== undefined && tensorflow === undefined) {
  console.warn(
    `skipped: what is compiled with TensorFlow's C++ headers: ${folder} was unpacked without them`,
  );
}
afterEach(() => vi.unstubAllEnvs());
afterAll(removeFolders);

describe.skipIf(tensorflow === undefined)("TensorFlow's stream", { timeout: 300_000 }, () => {
  test('is found by what tf-link compiles, once, and puts beside the binding', async () => {
    temporaryCache();
    const tfjs = resolvePackage('@tensorflow/tfjs-node', makeProject())!;
    const said: string[] = [];
    const link = (wanted: boolean): Promise<void> =>
      linkStream([tfjs], tensorflow!, wanted, (line) => said.push(line));
    await link(true);
    await link(true);
    expect(said).toEqual(['compiling what finds the streams of TensorFlow linked']);
    expect(readFileSync(streamLibraryOf(tfjs.folder)).includes('polycom_tensorflow_stream')).toBe(true);
    await link(false);
    expect(existsSync(streamLibraryOf(tfjs.folder))).toBe(false);
  });

  test('is the one of the C API, on which ops run in order; and is refused in another version', async () => {
    const TEST_STREAM = join(ROOT, 'build', 'test-device', 'stream.so');
    mkdirSync(dirname(TEST_STREAM), { recursive: true });
    const source = join(import.meta.dirname, 'device', 'cpp', 'stream.cpp');
    const emulator = join(ROOT, 'test', 'native', 'emulator');
    await compileStream(source, tensorflow!, TEST_STREAM, ['-isystem', emulator, device!.device]);
    const env = { TEST_STREAM, POLYCOM_STREAM_TIER: '1', POLYCOM_QUIET: '1' };
    const found = await runProgram<Record<string, unknown>>(device!, 'stream', env);
    expect(found).toMatchObject({ asked: [9, 1], different: 0 });
    expect(found.same).toBeGreaterThan(10);
    expect(found.other).toMatchObject({
      reason: expect.stringMatching(/stream\.so was compiled for TensorFlow \S+, and 2\.20\.0 runs$/),
      remedy: 'run: npx polycom tf-link',
    });
    expect(found.absent).toMatchObject({ reason: expect.stringContaining('stream.so.absent does not load') });
    expect(found.shipped).toContain('POLYCOM_STREAM_TIER=1 is not to be had here; expected 0, 2, 3');
    expect(await runProgram(device!, 'race', env)).toEqual({ tier: 1, wrong: 0 });
    const digests = [env, { POLYCOM_STREAM_TIER: '3' }].map((given) =>
      runProgram<{ digest: string }>(device!, 'tiers', given),
    );
    const [by1, by3] = await Promise.all(digests);
    expect(by1).toEqual({ ...by3, tier: 1 });
  });
});

test.skipIf(parts === undefined)('is left to the other tiers without C++ headers that compile', async () => {
  temporaryCache();
  const tfjs = resolvePackage('@tensorflow/tfjs-node', makeProject())!;
  const root = temporaryFolder();
  writeFiles(root, tensorflowFiles('9.9.9'));
  const { includeFolder } = tensorflowIn(root)!;
  const made = { ...parts!, includeFolder, version: '9.9.9', source: 'given' } as const;
  const said: string[] = [];
  await linkStream([tfjs], made, true, (line) => said.push(line));
  for (const header of ['tensorflow/core/framework/op_kernel.h', 'xla/stream_executor/stream.h'])
    writeFiles(root, { [`tensorflow/include/${header}`]: '#error "of another time"\n' });
  await linkStream([tfjs], made, true, (line) => said.push(line));
  expect(said.map((line) => line.replaceAll(root, ''))).toEqual([
    expect.stringMatching(
      /^ops on a GPU will not run on TensorFlow's own stream.*include has no C\+\+ headers/,
    ),
    'compiling what finds the streams of TensorFlow 9.9.9',
    expect.stringMatching(/^ops on a GPU will not run on TensorFlow's own stream.*of another time/),
  ]);
  expect(existsSync(streamLibraryOf(tfjs.folder))).toBe(false);
});

test.skipIf(device === undefined)('says why it is not there where it is asked for', async () => {
  const { status, stderr } = await startProgram(device!, 'race', { POLYCOM_STREAM_TIER: '1' });
  expect(status).not.toBe(0);
  expect(stderr).toMatch(
    /^polycom: ops cannot run on TensorFlow's stream: .*polycom_stream\.so .*; remedy: run: npx polycom tf-link$/m,
  );
});

test('is a line of doctor with the reason and the remedy, where ops do not run on it', () => {
  const refusal = { reason: 'it is not here', remedy: 'run: npx polycom tf-link' };
  expect(streamFinding(3, refusal)).toEqual({
    mark: 'absent',
    label: 'stream',
    value: 'tier 3: ops wait for the GPU before and after; not on its stream: it is not here',
    remedy: 'run: npx polycom tf-link',
  });
  expect(streamFinding(1).mark).toBe('ok');
});
