import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The files that make.py writes beside this one; it says what is in them. */
export const vectorNames = ['dense', 'gated', 'mixture', 'experts', 'adamw'] as const;

export interface VectorTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array | Float64Array | Int32Array;
}

export interface Vectors {
  /** JSON: `config`; of `adamw` also `recipe` and `decayed`. */
  readonly texts: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, VectorTensor>;
}

interface Entry {
  readonly dtype: keyof typeof ARRAYS;
  readonly shape: number[];
  readonly data_offsets: [begin: number, end: number];
}

const ARRAYS = { F32: Float32Array, F64: Float64Array, I32: Int32Array };

/** Reads vectors, apart from the package's own reader of safetensors: they are what it is judged by. */
export function readVectors(name: (typeof vectorNames)[number]): Vectors {
  const content = readFileSync(fileURLToPath(new URL(`${name}.safetensors`, import.meta.url)));
  const start = 8 + Number(content.readBigUInt64LE());
  const { __metadata__: texts, ...entries } = JSON.parse(content.toString('utf8', 8, start));
  const tensors = Object.entries<Entry>(entries).map(([key, { dtype, shape, data_offsets }]) => {
    const bytes = content.subarray(start + data_offsets[0], start + data_offsets[1]);
    return [key, { shape, values: new ARRAYS[dtype](Uint8Array.from(bytes).buffer) }] as const;
  });
  return { texts, tensors: new Map(tensors) };
}

/** The tensors of a prefix such as `parameters`, by the rest of their names. */
export function tensorsUnder(vectors: Vectors, prefix: string): Map<string, VectorTensor> {
  const found = [...vectors.tensors].filter(([name]) => name.startsWith(`${prefix}/`));
  return new Map(found.map(([name, tensor]) => [name.slice(prefix.length + 1), tensor]));
}
