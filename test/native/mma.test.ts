/** native/runtime/cuda/mma.cuh on the emulator, beside plain loops; and what nvcc makes of it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { lastLines, runCommand } from '../../src/common/command.js';
import { packageFolder } from '../../src/common/package.js';
import { decode, encoded, type Stored } from '../../src/native/dtype.js';
import { koffi } from '../../src/native/koffi.js';
import { compilerCommand } from '../../src/native/tools.js';
import type { Dtype } from '../../src/native/types.js';
import { normal } from '../../src/op/sample.js';
import { emulatedCuda } from './harness.js';

const source = join(packageFolder, 'test', 'native', 'mma', 'mma.cu');
const native = ['-I', join(packageFolder, 'native'), '-I', join(packageFolder, 'native', 'include')];
const folder = mkdtempSync(join(tmpdir(), 'polycom-mma-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Once = (dtype: number, across: number, a: Stored, b: Stored, d: Float32Array) => number;
const emulated = await emulatedCuda();
const once = emulated && (await load());

/** Compiled as the emulator's kernels are. */
async function load(): Promise<Once> {
  const device = dirname(emulated!.path);
  const library = join(folder, 'mma.so');
  const [compiler, ...words] = compilerCommand();
  const include = ['-I', join(packageFolder, 'test', 'native', 'emulator'), ...native];
  const link = [`-L${device}`, `-Wl,-rpath,${device}`, '-lemulated_cuda'];
  const args = [...words, '-std=gnu++17', '-O1', '-Wno-unknown-pragmas', '-shared', '-fPIC', ...include];
  const built = await runCommand(compiler, [...args, '-o', library, '-xc++', source, ...link]);
  expect(built.status, lastLines(built)).toBe(0);
  return koffi()
    .load(library)
    .func('int mma_once(int dtype, int across, const void* a, const void* b, float* d)') as unknown as Once;
}

/** What tensor cores see of a float: its upper 19 bits. */
function tf32(values: Float32Array): Float32Array {
  const words = new Uint32Array(values.slice().buffer);
  return new Float32Array(words.map((word) => word & 0xffffe000).buffer);
}

/** d + a b, in f64; beside each the largest of what is added. */
function product(a: Float32Array, at: (k: number, column: number) => number, depth: number, d: Float32Array) {
  return Array.from({ length: 128 }, (_, i) => {
    const [row, column] = [Math.floor(i / 8), i % 8];
    const terms = Array.from({ length: depth }, (_, k) => a[row * depth + k]! * at(k, column));
    const sum = terms.reduce((all, term) => all + term, d[i]!);
    return { sum, most: Math.max(Math.abs(d[i]!), ...terms.map(Math.abs)) };
  });
}

const kinds = (['f32', 'f16', 'bf16'] as const).flatMap((dtype, number) =>
  [false, true].filter((across) => !(across && dtype === 'f32')).map((across) => ({ dtype, number, across })),
);

describe.skipIf(once === undefined)('on the emulator', () => {
  function multiply(dtype: Dtype, number: number, across: boolean, scale: number): void {
    const depth = dtype === 'f32' ? 8 : 16;
    const [a, b] = [normal(16 * depth, 1), normal(across ? 256 : 8 * depth, 2)].map((values) =>
      encoded(
        values.map((value) => value * scale),
        dtype,
      ),
    ) as [Stored, Stored];
    const seen = (values: Stored): Float32Array => {
      const floats = decode(values, dtype);
      return dtype === 'f32' ? tf32(floats) : floats;
    };
    const [left, right] = [seen(a), seen(b)];
    const d = normal(128, 3);
    // Columns of b lie in its rows, or across them, where each has 16 elements of which the first 8 are used.
    const at = (k: number, column: number) => right[across ? k * 16 + column : column * depth + k]!;
    const wanted = product(left, at, depth, d);
    const room = new Uint8Array(512);
    room.set(new Uint8Array(b.buffer, b.byteOffset, b.byteLength));
    expect(once!(number, across ? 1 : 0, a, room as unknown as Stored, d)).toBe(0);
    for (const [i, { sum, most }] of wanted.entries())
      expect(Math.abs(d[i]! - sum), `${i}`).toBeLessThanOrEqual(depth * most * 2 ** -22);
  }

  test.each(kinds)('a product in $dtype, across: $across', ({ dtype, number, across }) => {
    for (const scale of [1, 1e-3, 100]) multiply(dtype, number, across, scale);
  });

  test('NaN and infinities reach their row or column, and no other', () => {
    const [a, b, d] = [normal(128, 1), new Float32Array(128).fill(1), new Float32Array(128)];
    [a[3 * 8 + 5], a[12 * 8]] = [Number.NaN, Number.NEGATIVE_INFINITY];
    expect(once!(0, 0, a, b, d)).toBe(0);
    for (const [i, value] of d.entries()) {
      const row = Math.floor(i / 8);
      if (row === 3) expect(value).toBeNaN();
      else if (row === 12) expect(value).toBe(Number.NEGATIVE_INFINITY);
      else expect(Number.isFinite(value)).toBe(true);
    }
  });

  test('sums are cut off, not rounded, as a GPU does it', () => {
    const [a, b, d] = [new Float32Array(128), new Float32Array(128), new Float32Array(128).fill(1)];
    a.fill(2 ** -12);
    b.fill(2 ** -13); // products of 2^-25 are kept, as they are added before the sum is a float again
    expect(once!(0, 0, a, b, d)).toBe(0);
    for (const value of d) expect(value).toBe(1 + 2 ** -22);
    d.fill(1);
    b.fill(2 ** -15); // each below what is kept beside 1
    expect(once!(0, 0, a, b, d)).toBe(0);
    for (const value of d) expect(value).toBe(1);
  });
});

const nvcc = process.env.CUDACXX ?? 'nvcc';
test.skipIf(spawnSync(nvcc, ['--version']).status !== 0)('nvcc takes each of them as one instruction', () => {
  const output = join(folder, 'mma.ptx');
  const args = ['-std=c++17', '-arch=sm_80', '-ptx', ...native, '-o', output, source];
  const { status, stderr } = spawnSync(nvcc, args, { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const ptx = readFileSync(output, 'utf8');
  for (const types of ['m16n8k8.row.col.f32.tf32.tf32.f32', 'm16n8k16.row.col.f32.f16.f16.f32'])
    expect(ptx).toContain(`mma.sync.aligned.${types}`);
  expect(ptx).toContain('mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32');
  expect(ptx).toContain('ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16');
  expect(ptx).toContain('ldmatrix.sync.aligned.m8n8.x4.shared.b16');
});
