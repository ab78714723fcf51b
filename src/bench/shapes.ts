import { totalmem } from 'node:os';
import { PolycomError } from '../common/errors.js';
import type { Shape } from './types.js';

/** The shapes that each part measures. */
export interface BenchShapes {
  readonly native: readonly Shape[];
  readonly tensorflow: readonly Shape[];
  /** Where TensorFlow's other allocators are shown. */
  readonly allocators: readonly Shape[];
}

const LARGE: readonly Shape[] = [
  { rows: 2048, cols: 5632 },
  { rows: 4096, cols: 8256 },
];
/** So small that the call is all there is to time. */
const SMALL: Shape = { rows: 32, cols: 64 };
const ELEMENTS = 32 << 20;
const OTHER_WIDTHS: readonly number[] = [512, 1536, 2048, 8192, 16384];
/** What a row costs by itself shows in narrow ones, and where its second reading misses the caches, in wide ones. */
const SWEPT_WIDTHS: readonly number[] = [8, 32, 64, 128, 65536, 262144];

/** What the tests' emulator can do in seconds: a row of one block, and one of several. */
const EMULATED: readonly Shape[] = [
  { rows: 8, cols: 64 },
  { rows: 2, cols: 1030 },
];

/** A few small shapes, for the emulator, whose times say nothing. */
export function emulatedShapes(): BenchShapes {
  return { native: EMULATED, tensorflow: EMULATED, allocators: [] };
}

/** Two large shapes and a small one; or, for the full run, seven widths, and of kernels driven directly thirteen. */
export function presetShapes(quick: boolean): BenchShapes {
  const withWidths = (widths: readonly number[]): Shape[] => [
    ...LARGE.concat(widths.map((cols) => ({ rows: Math.round(ELEMENTS / cols), cols }))).sort(
      (a, b) => a.cols - b.cols,
    ),
    SMALL,
  ];
  if (quick) return { native: withWidths([]), tensorflow: withWidths([]), allocators: LARGE.slice(1) };
  return {
    native: withWidths([...OTHER_WIDTHS, ...SWEPT_WIDTHS]),
    tensorflow: withWidths(OTHER_WIDTHS),
    allocators: LARGE,
  };
}

/** The same shapes for every part; the largest one for the allocators. */
export function chosenShapes(shapes: readonly Shape[]): BenchShapes {
  const largest = [...shapes].sort((a, b) => elements(b) - elements(a)).slice(0, 1);
  return { native: shapes, tensorflow: shapes, allocators: largest };
}

/** Reads `2048x5632,4096x8256`. */
export function parseShapes(text: string): Shape[] {
  return text.split(',').map((part) => {
    const [, rows, cols] = /^\s*(\d+)\s*[x×]\s*(\d+)\s*$/i.exec(part)?.map(Number) ?? [];
    if (rows! > 0 && cols! > 0 && rows! * cols! <= 2 ** 31) return { rows: rows!, cols: cols! };
    throw new PolycomError('INVALID_ARGUMENT', `shape '${part.trim()}'; expected rows x columns`, {
      remedy: '--shapes 2048x5632,4096x8256, of at most 2147483648 elements each',
    });
  });
}

/** `2048×5632`. */
export function shapeName({ rows, cols }: Shape): string {
  return `${rows}×${cols}`;
}

function elements({ rows, cols }: Shape): number {
  return rows * cols;
}

/** Tensors that the hungriest contender, the composition's gradient, holds at its peak: 40 measured, and room. */
const TENSORS_HELD = 48;
const MEMORY_SHARE = 0.7;

/** The bytes that this process may use. */
export function memoryBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
}

/** A shape with as many rows, halved and halved again, as the memory can hold. */
export function fitShape(shape: Shape, memory: number = memoryBytes()): Shape {
  let { rows } = shape;
  while (rows > 1 && rows * shape.cols * 4 * TENSORS_HELD > memory * MEMORY_SHARE) rows = Math.ceil(rows / 2);
  return { rows, cols: shape.cols };
}

/** Every shape made to fit, and what to say of those that had to shrink. */
export function fitShapes(shapes: BenchShapes, memory: number = memoryBytes()): [BenchShapes, string[]] {
  const notes = new Set<string>();
  const shrink = (list: readonly Shape[]): Shape[] => {
    const fitted = list.map((shape) => {
      const smaller = fitShape(shape, memory);
      if (smaller.rows < shape.rows) {
        notes.add(`${shapeName(shape)} reduced to ${shapeName(smaller)}: ${gigabytes(memory)} of memory`);
      }
      return smaller;
    });
    return fitted.filter(
      (shape, i) => fitted.findIndex((other) => shapeName(other) === shapeName(shape)) === i,
    );
  };
  const fitted = {
    native: shrink(shapes.native),
    tensorflow: shrink(shapes.tensorflow),
    allocators: shrink(shapes.allocators),
  };
  return [fitted, [...notes]];
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
