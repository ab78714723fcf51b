import { describe, expect, test } from 'vitest';
import {
  chosenShapes,
  fitShape,
  fitShapes,
  memoryBytes,
  parseShapes,
  presetShapes,
  shapeName,
} from '../../src/bench/shapes.js';
import { PolycomError } from '../../src/common/errors.js';

describe('parseShapes', () => {
  test('reads rows x columns', () => {
    expect(parseShapes('2048x5632, 8X64,3×5')).toEqual([
      { rows: 2048, cols: 5632 },
      { rows: 8, cols: 64 },
      { rows: 3, cols: 5 },
    ]);
  });

  test.each(['', '8', '8x', '0x4', '-1x4', '8x64x2', '1.5x2', '65536x65536', '8x64,'])(
    'refuses %j with a typed error',
    (text) => {
      expect(() => parseShapes(text)).toThrow(PolycomError);
      expect(() => parseShapes(text)).toThrow(/expected rows x columns/);
    },
  );
});

describe('presets', () => {
  test('the quick one has the large shapes and a small one', () => {
    const { native, tensorflow, allocators } = presetShapes(true);
    expect(tensorflow.map(shapeName)).toEqual(['2048×5632', '4096×8256', '32×64']);
    expect(native).toEqual(tensorflow);
    expect(allocators.map(shapeName)).toEqual(['4096×8256']);
  });

  test('the full one has every width, and what the quick one has', () => {
    const full = presetShapes(false);
    const names = full.tensorflow.map(shapeName);
    expect(names).toEqual(expect.arrayContaining(presetShapes(true).tensorflow.map(shapeName)));
    expect(new Set(full.tensorflow.map(({ cols }) => cols)).size).toBeGreaterThan(6);
    const widths = full.native.filter(({ rows }) => rows > 32).map(({ cols }) => cols);
    expect(widths.slice(0, 3)).toEqual([8, 32, 64]);
    expect(widths.at(-1)).toBe(262144);
  });

  test('chosen ones serve every part; the largest, the allocators', () => {
    const shapes = parseShapes('8x64,16x64,4x4');
    expect(chosenShapes(shapes)).toEqual({
      native: shapes,
      tensorflow: shapes,
      allocators: [{ rows: 16, cols: 64 }],
    });
  });
});

describe('fitting', () => {
  test('leaves alone what the memory holds', () => {
    expect(fitShape({ rows: 4096, cols: 8256 }, 64 * 2 ** 30)).toEqual({ rows: 4096, cols: 8256 });
    expect(memoryBytes()).toBeGreaterThan(2 ** 20);
  });

  test('halves the rows, but never below one', () => {
    const { rows, cols } = fitShape({ rows: 4096, cols: 8256 }, 4 * 2 ** 30);
    expect(cols).toBe(8256);
    expect([2048, 1024]).toContain(rows);
    expect(fitShape({ rows: 100, cols: 2 ** 24 }, 1)).toEqual({ rows: 1, cols: 2 ** 24 });
  });

  test('says once what it reduced, and measures nothing twice', () => {
    const [shapes, notes] = fitShapes(chosenShapes(parseShapes('4096x8256,2048x8256')), 2 ** 30);
    expect(shapes.native).toHaveLength(1);
    expect(notes).toHaveLength(2);
    expect(notes[0]).toMatch(/^4096×8256 reduced to \d+×8256: 1\.0 GiB of memory$/);
  });
});
