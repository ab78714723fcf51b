import { chmodSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DTYPE_BYTES } from '../../src/checkpoint/header.js';
import { openSafetensors, type SafeTensor, writeSafetensors } from '../../src/checkpoint/safetensors.js';
import { PolycomError } from '../../src/common/errors.js';
import { encodeHalves } from '../../src/native/dtype.js';
import { temporaryFolder } from './folders.js';

const folder = temporaryFolder();
const FLOATS = Float32Array.of(0, -1.5, 3.25, 1e-8, 65504, 7);

const TENSORS: readonly [string, SafeTensor][] = [
  ['bytes', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) }],
  ['floats', { dtype: 'F32', shape: [2, 3], data: FLOATS }],
  ['half', { dtype: 'F16', shape: [6], data: encodeHalves(FLOATS, 'f16') }],
  ['brain', { dtype: 'BF16', shape: [3, 2], data: encodeHalves(FLOATS, 'bf16') }],
  ['double', { dtype: 'F64', shape: [1, 2], data: Float64Array.of(1 / 3, -2) }],
  ['scalar', { dtype: 'F32', shape: [], data: () => Float32Array.of(42) }],
  ['none', { dtype: 'I64', shape: [4, 0], data: new BigInt64Array(0) }],
  ['7', { dtype: 'I32', shape: [1], data: Int32Array.of(-9) }],
  ['__proto__', { dtype: 'BOOL', shape: [1], data: Uint8Array.of(1) }],
  ['naïve "name"\n', { dtype: 'I16', shape: [2], data: Int16Array.of(5, 6) }],
];

function textOf(header: unknown): string {
  return typeof header === 'string' ? header : JSON.stringify(header);
}

/** A file of the given header and bytes. */
function fileOf(header: unknown, data: Uint8Array): string {
  const json = header instanceof Buffer ? header : Buffer.from(textOf(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(json.length));
  const path = join(folder, 'made.safetensors');
  writeFileSync(path, Buffer.concat([start, json, data]));
  return path;
}

async function problemOf(path: string): Promise<PolycomError> {
  const error: unknown = await openSafetensors(path).then(
    (file) => file.close(),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PolycomError)) throw new Error(`expected a PolycomError, got ${error}`);
  return error;
}

test('gives back what was written, of every dtype and shape', async () => {
  const path = join(folder, 'all.safetensors');
  const sum = await writeSafetensors(path, TENSORS, { format: 'pt', note: 'x' });
  const content = readFileSync(path);
  expect(sum.bytes).toBe(content.length);
  const file = await openSafetensors(path);
  expect(file.metadata).toEqual({ format: 'pt', note: 'x' });
  expect([...file.names].sort()).toEqual(TENSORS.map(([name]) => name).sort());
  for (const [name, { dtype, shape, data }] of TENSORS) {
    const info = file.info(name);
    expect([info.dtype, info.shape]).toEqual([dtype, shape]);
    expect(info.begin % DTYPE_BYTES[dtype]).toBe(0);
    const stored = typeof data === 'function' ? await data() : data;
    const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
    expect(await file.read(name)).toEqual(bytes);
  }
  expect(content.readBigUInt64LE() % 8n).toBe(0n);
  await file.close();
});

test('reads floats of any width', async () => {
  const path = join(folder, 'widths.safetensors');
  await writeSafetensors(path, TENSORS);
  const file = await openSafetensors(path);
  expect(await file.readFloats('floats')).toEqual(FLOATS);
  expect(await file.readFloats('scalar')).toEqual(Float32Array.of(42));
  expect(await file.readFloats('half')).toEqual(Float32Array.of(0, -1.5, 3.25, 0, 65504, 7));
  expect(await file.readFloats('brain')).toEqual(
    Float32Array.of(0, -1.5, 3.25, 1.0011717677116394e-8, 65536, 7),
  );
  expect(await file.readFloats('double')).toEqual(Float32Array.of(1 / 3, -2));
  await expect(file.readFloats('bytes')).rejects.toThrow(/tensor bytes is U8; expected one of F32/);
  await expect(file.readFloats('absent')).rejects.toThrow(/has no tensor absent/);
  await file.close();
});

test('converts what is larger than a chunk', async () => {
  const values = Float32Array.from({ length: (1 << 20) + 5 }, (_, i) => i % 251);
  const path = join(folder, 'large.safetensors');
  const data = encodeHalves(values, 'bf16');
  await writeSafetensors(path, [['x', { dtype: 'BF16', shape: [values.length], data }]]);
  const file = await openSafetensors(path);
  expect(Buffer.from((await file.readFloats('x')).buffer).equals(Buffer.from(values.buffer))).toBe(true);
  await file.close();
});

test('writes a file that has nothing, and replaces one', async () => {
  const path = join(folder, 'empty.safetensors');
  await writeSafetensors(path, TENSORS);
  await writeSafetensors(path, []);
  const file = await openSafetensors(path);
  expect(file.names).toEqual([]);
  await file.close();
});

test('refuses tensors that do not fit, and leaves the old file and nothing else', async () => {
  const own = join(folder, 'refused');
  mkdirSync(own);
  const path = join(own, 'kept.safetensors');
  await writeSafetensors(path, TENSORS);
  const before = readFileSync(path);
  const one = { dtype: 'F32', shape: [1], data: Float32Array.of(1) } as const;
  const late = { ...one, data: () => new Float32Array(2) };
  expect(() => writeSafetensors(path, [['a', { ...one, shape: [2] }]])).toThrow(
    /tensor a has 4 bytes; expected 8/,
  );
  expect(() => writeSafetensors(path, [['a', { ...one, shape: [-1] }]])).toThrow(/shape \[-1\]/);
  expect(() =>
    writeSafetensors(path, [
      ['a', one],
      ['a', one],
    ]),
  ).toThrow(/tensor a is given twice/);
  expect(() => writeSafetensors(path, [['__metadata__', one]])).toThrow(/__metadata__/);
  await expect(writeSafetensors(path, [['a', late]])).rejects.toThrow(/tensor a has 8 bytes; expected 4/);
  expect(readFileSync(path)).toEqual(before);
  expect(readdirSync(own)).toEqual(['kept.safetensors']);
});

test('names what the system refuses', async () => {
  expect((await problemOf(join(folder, 'absent'))).message).toMatch(
    /cannot read .*absent: there is no such file/,
  );
  expect((await problemOf(folder)).message).toMatch(/cannot read .*: it is a folder/);
  await expect(writeSafetensors(join(folder, 'no', 'where'), [])).rejects.toThrow(
    /cannot write .*where: there is no such file or folder/,
  );
});

test('names a folder without permission to write', async (context) => {
  if (process.getuid?.() === 0) context.skip('root may write anywhere');
  const closed = join(folder, 'closed');
  mkdirSync(closed, { mode: 0o500 });
  await expect(writeSafetensors(join(closed, 'x'), [])).rejects.toThrow(/cannot write .*: permission denied/);
  chmodSync(closed, 0o700);
});

const entry = (begin: number, end: number, more: object = {}) => ({
  dtype: 'U8',
  shape: [end - begin],
  data_offsets: [begin, end],
  ...more,
});

test.each<[problem: RegExp, header: unknown, bytes: number]>([
  [/tensor a: its dtype is "F31"; expected one of/, { a: entry(0, 4, { dtype: 'F31' }) }, 4],
  [/tensor a: its dtype is "toString"/, { a: entry(0, 4, { dtype: 'toString' }) }, 4],
  [/tensor a: its shape is \[-4\]/, { a: entry(0, 4, { shape: [-4] }) }, 4],
  [/tensor a: its shape is \[1.5\]/, { a: entry(0, 4, { shape: [1.5] }) }, 4],
  [/tensor a: its shape is "4"/, { a: entry(0, 4, { shape: '4' }) }, 4],
  [/tensor a: its data_offsets are \[4,0\]/, { a: entry(0, 4, { data_offsets: [4, 0] }) }, 4],
  [/tensor a: its data_offsets are \[0\]/, { a: entry(0, 4, { data_offsets: [0] }) }, 4],
  [/tensor a: U8 \[5\] takes 5 bytes, but has 4/, { a: entry(0, 4, { shape: [5] }) }, 4],
  [/takes more bytes than a file can have/, { a: entry(0, 4, { shape: [2 ** 40, 2 ** 40] }) }, 4],
  [/tensor b: it begins at byte \d+, expected \d+: it overlaps/, { a: entry(0, 4), b: entry(2, 6) }, 6],
  [/tensor b: it begins at byte \d+, expected \d+: it leaves a gap/, { a: entry(0, 4), b: entry(5, 6) }, 6],
  [/tensor a: it begins at byte .* it leaves a gap/, { a: entry(1, 4) }, 4],
  [/its header speaks of \d+: it is cut off/, { a: entry(0, 4) }, 3],
  [/its header speaks of \d+: something follows the tensors/, { a: entry(0, 4) }, 5],
  [/tensor a: has "strides"/, { a: entry(0, 4, { strides: [1] }) }, 4],
  [/the header's entry of a is 3; expected an object/, { a: 3 }, 0],
  [/__metadata__ is \[\]; expected an object/, { __metadata__: [] }, 0],
  [/__metadata__ has n: 3; expected a string/, { __metadata__: { n: 3 } }, 0],
  [
    /its header names "a" twice/,
    `{"a":${JSON.stringify(entry(0, 0))},"\\u0061" :${JSON.stringify(entry(0, 0))}}`,
    0,
  ],
  [/its header names "dtype" twice/, '{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}', 0],
  [/its header is not JSON/, '{"a": ', 0],
  [/its header is not JSON/, Buffer.from([0x7b, 0xff, 0x7d]), 0],
])('says %s', async (problem, header, bytes) => {
  const path = fileOf(header, new Uint8Array(bytes));
  const error = await problemOf(path);
  expect(error.code).toBe('INVALID_FILE');
  expect(error.message).toContain(path);
  expect(error.message).toMatch(problem);
});

test.each<[problem: RegExp, content: string]>([
  [/it is empty/, ''],
  [/it has 2 bytes; a safetensors file has more/, 'hi'],
  [/not a safetensors file, but a zip archive, as torch.save writes/, `PK\u0003\u0004${'\0'.repeat(40)}`],
  [/not a safetensors file, but a Git LFS pointer/, 'version https://git-lfs.github.com/spec/v1\n'],
  [/not a safetensors file, but a GGUF model/, `GGUF${'\u0003\0\0\0'.repeat(5)}`],
  [/not a safetensors file, but JSON/, '{"metadata": {"total_size": 0}}'],
  [/not a safetensors file: it begins with zeros/, '\0'.repeat(64)],
  [/not a safetensors file/, 'Once upon a time there was a file of text.'],
  [/its header alone 1000: it is cut off/, '\u00e8\u0003\0\0\0\0\0\0{"a":'],
])('tells another kind of file: %s', async (problem, content) => {
  const path = join(folder, 'kind');
  writeFileSync(path, content, 'latin1');
  const error = await problemOf(path);
  expect([error.code, error.message.includes(path)]).toEqual(['INVALID_FILE', true]);
  expect(error.message).toMatch(problem);
});

test('knows every file that is cut off, and one that shrinks while it is open', async () => {
  const path = join(folder, 'cut.safetensors');
  const { bytes } = await writeSafetensors(path, TENSORS);
  const whole = readFileSync(path);
  for (let length = 0; length < bytes; length += 7) {
    writeFileSync(path, whole.subarray(0, length));
    expect((await problemOf(path)).code).toBe('INVALID_FILE');
  }
  writeFileSync(path, whole);
  const file = await openSafetensors(path);
  truncateSync(path, bytes - 1);
  const last = file.names.find((name) => file.info(name).end === bytes)!;
  await expect(file.read(last)).rejects.toThrow(/has become shorter/);
  await file.close();
});

test('takes any damage to a header without a crash: an error with the file in it, or tensors that lie in the file', async () => {
  const path = join(folder, 'damaged.safetensors');
  const { bytes } = await writeSafetensors(path, TENSORS);
  const whole = readFileSync(path);
  const header = 8 + Number(whole.readBigUInt64LE());
  const damage = fc.array(fc.tuple(fc.nat(header - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(damage, async (changes) => {
      const content = Buffer.from(whole);
      for (const [at, byte] of changes) content[at] = byte;
      writeFileSync(path, content);
      try {
        const file = await openSafetensors(path);
        const infos = file.names.map((name) => file.info(name));
        await file.close();
        expect(infos.every(({ begin, end }) => begin <= end && end <= bytes)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(PolycomError);
        expect((error as PolycomError).message).toContain(path);
      }
    }),
    { numRuns: 300 },
  );
});
