import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { activations } from '../../src/activations/table.js';
import {
  findMapping,
  MAPPED_PASSES,
  type MappedPass,
  type Mapping,
  type MappingPath,
  replaceMappings,
} from '../../src/native/mapping.js';
import { type SampleOptions, sampleOf } from '../../src/op/sample.js';
import { emulatedCuda, expectClose, expectSame, native, runNative } from './harness.js';

const cuda = await emulatedCuda();
const library = cuda ?? native;
const queue = cuda?.createQueue({ device: 'cuda' });
afterAll(() => queue?.dispose());

const ARCHITECTURES = [75, 80, 86, 89, 90, 100, 103, 120];
/** Bytes of shared memory that a block, and a multiprocessor, may have (CUDA C++ Programming Guide). */
const SHARED: Readonly<Record<number, number>> = {
  75: 64,
  80: 163,
  86: 99,
  89: 99,
  90: 227,
  100: 227,
  103: 227,
  120: 99,
};
/** The widths that benchmarks measure, and odd ones. */
const WIDTHS = [
  1, 7, 123, 513, 1280, 1536, 2048, 4096, 5504, 8191, 8192, 8256, 14_336, 16_384, 32_768, 65_536,
];
/** A mapping for every pass, item and architecture, and any row that it can take. */
const everywhere = (path: MappingPath, form: Partial<Mapping> = {}): Mapping[] =>
  MAPPED_PASSES.map((pass) => ({
    architecture: 80,
    pass,
    item: 0,
    path,
    threads: path === 'warp' ? 128 : 256,
    stages: 1,
    cluster: 1,
    slots: 2 ** 40,
    ...form,
  }));

describe.skipIf(library === undefined)('the table of mappings', () => {
  test.each(ARCHITECTURES)('has a launch that sm_%i can make for every row', (architecture) => {
    for (const pass of MAPPED_PASSES) {
      for (const item of [2, 4] as const) {
        for (const width of [...WIDTHS, 10 ** 6, 2 ** 33]) {
          const slots = Math.ceil((width * item) / 16);
          const {
            path,
            cluster,
            architecture: from,
            launch,
          } = findMapping(library!, architecture, pass, item, slots);
          const where = `${pass}, ${item} bytes, ${width} wide: ${path}`;
          expect(from, where).toBeLessThanOrEqual(architecture);
          expect(launch.threads % 32, where).toBe(0);
          expect(launch.threads, where).toBeGreaterThan(0);
          expect(launch.shared_bytes, where).toBeLessThanOrEqual(SHARED[architecture]! * 1024);
          if (cluster > 1) expect(architecture, where).toBeGreaterThanOrEqual(90);
          if (path === 'twice') continue;
          const threads = path === 'warp' ? 32 : launch.threads * cluster;
          expect(threads * launch.slots, where).toBeGreaterThanOrEqual(slots);
          // No thread, or block of a cluster, has nothing to do, but for the rest of a warp.
          expect((threads - 32 * cluster) * launch.slots, where).toBeLessThan(slots);
        }
      }
    }
  });

  test('reads no row of up to 65,536 elements twice on Hopper', () => {
    for (const pass of MAPPED_PASSES) {
      for (const item of [2, 4] as const) {
        for (const width of WIDTHS) {
          const { path } = findMapping(library!, 90, pass, item, Math.ceil((width * item) / 16));
          expect(path, `${pass}, ${item} bytes, ${width} wide`).not.toBe('twice');
        }
      }
    }
  });

  test('masks few lanes at the widths of models', () => {
    for (const pass of MAPPED_PASSES) {
      for (const width of WIDTHS.filter((width) => width >= 1280 && width % 8 === 0)) {
        const slots = width / 8;
        const { path, cluster, launch } = findMapping(library!, 90, pass, 2, slots);
        const lanes = (path === 'warp' ? 32 : launch.threads * cluster) * launch.slots;
        expect(slots / lanes, `${pass}, ${width} wide`).toBeGreaterThan(0.8);
      }
    }
  });

  test('gives a narrow row few lanes of a warp, and each of them as much as it can keep', () => {
    const slotsOf = (pass: MappedPass, item: 2 | 4, slots: number): number =>
      findMapping(library!, 90, pass, item, slots).launch.slots;
    for (const pass of MAPPED_PASSES)
      expect([1, 2, 3, 4, 8].map((n) => slotsOf(pass, 2, n))).toEqual([1, 1, 2, 2, 4]);
    expect([16, 32, 64, 128].map((n) => slotsOf('forward', 2, n))).toEqual([4, 4, 4, 4]);
    expect([16, 32, 256].map((n) => slotsOf('forward', 4, n))).toEqual([8, 8, 8]);
  });

  test('refuses rows that there are not', () => {
    expect(() => findMapping(library!, 90, 'forward', 2, 0)).toThrow(/slots 0; expected .* 1 or more/);
  });
});

describe.skipIf(library === undefined)('replaceMappings', () => {
  afterEach(() => replaceMappings(library!, []));

  test('puts mappings before the table, and takes them away', () => {
    const before = findMapping(library!, 90, 'backward', 2, 1024);
    replaceMappings(library!, everywhere('staged', { architecture: 90, stages: 3, slots: 1024 }));
    expect(findMapping(library!, 90, 'backward', 2, 1024)).toMatchObject({ stages: 3, threads: 256 });
    expect(findMapping(library!, 90, 'backward', 2, 1025).stages).not.toBe(3);
    expect(findMapping(library!, 89, 'backward', 2, 1024).stages).not.toBe(3);
    replaceMappings(library!, []);
    expect(findMapping(library!, 90, 'backward', 2, 1024)).toEqual(before);
  });

  test.each([
    [{ threads: 100 }, /mapping 0: threads is 100; expected 32, 64 \.\. 512/],
    [{ threads: 1024 }, /threads is 1024/],
    [{ stages: 5 }, /stages is 5; expected 1 to 4/],
    [{ cluster: 3 }, /cluster is 3; expected 1, 2, 4 or 8/],
    [{ item: 3 as 2 }, /item is 3/],
    [{ path: 'block', cluster: 2 } as const, /cluster is 2; expected 1 for this path/],
    [{ slots: -1 }, /slots is -1/],
  ])('refuses %j', (form, message) => {
    expect(() => replaceMappings(library!, everywhere('staged', form).slice(0, 1))).toThrow(message);
  });

  test('refuses more than 256', () => {
    const many = Array.from({ length: 65 }, () => everywhere('twice')).flat();
    expect(() => replaceMappings(library!, many)).toThrow(/260 mappings .* expected 0 to 256/);
  });
});

describe.skipIf(queue === undefined)('PolyNorm on the CUDA emulator', () => {
  afterEach(() => replaceMappings(cuda!, []));

  const forms = [
    ['warp', {}],
    ['block', { threads: 96 }],
    ['block', {}],
    ...[1, 2, 3, 4].map((stages) => ['staged', { stages, threads: 64 }] as const),
    ['staged', { threads: 512 }],
    ...[2, 4, 8].map((cluster) => ['staged', { cluster, threads: 32 }] as const),
    ['staged', { cluster: 2, stages: 2 }],
    ['staged', { cluster: 8, stages: 3, threads: 64 }],
    ['twice', {}],
  ] as const;

  describe.each(['polynorm', 'polynormglu'] as const)('%s', (name) => {
    const op = activations[name];

    test.each(forms)('agrees with its reference by %s %j', (path, form) => {
      replaceMappings(cuda!, everywhere(path, form));
      const cases: [number, number, SampleOptions][] = [
        ...[1, 2, 7, 16, 17, 64, 123, 511, 1025, 2052].map(
          (cols) => [7, cols, { seed: cols }] as [number, number, object],
        ),
        [3, 8191, { seed: 3 }],
        [2, 8256, { seed: 4, dtype: 'bf16' }],
        [29, 321, { seed: 5, dtype: 'f16' }],
        [9, 640, { seed: 6, dtype: 'bf16', order: 4 }],
        [9, 77, { seed: 7, order: 1, scalars: { norm: 1 } }],
        [5, 300, { seed: 8, order: 2, scale: 4000 }],
        [4, 130, { seed: 9, scale: 1e30 }],
        [1, 20_000, { seed: 10 }],
        [70, 8, { seed: 12, scale: 1e30 }],
        [37, 64, { seed: 13, dtype: 'bf16' }],
        [1100, 16, { seed: 14, dtype: 'f16' }],
      ];
      for (const [rows, cols, options] of cases) {
        const sample = sampleOf(op, rows, cols, options);
        expectClose(runNative(queue!, op, sample), op, sample);
      }
    });

    test.each(forms)('gives the same bits again by %s %j', (path, form) => {
      replaceMappings(cuda!, everywhere(path, form));
      const sample = sampleOf(op, 333, 260, { seed: 11, dtype: 'bf16' });
      const [first, again] = [runNative(queue!, op, sample), runNative(queue!, op, sample)];
      expectSame(again, first, op);
    });
  });

  test.each(['75', '80', '89', '120'])('agrees with its reference on sm_%s', (architecture) => {
    process.env.EMULATED_ARCHITECTURE = architecture;
    const older = cuda!.createQueue({ device: 'cuda' });
    delete process.env.EMULATED_ARCHITECTURE;
    try {
      for (const name of ['polynorm', 'polynormglu'] as const) {
        const op = activations[name];
        for (const cols of [1536, 8256, 33_000]) {
          const sample = sampleOf(op, 2, cols, { seed: cols, dtype: 'bf16' });
          expectClose(runNative(older, op, sample), op, sample);
        }
      }
    } finally {
      older.dispose();
    }
  });
});
