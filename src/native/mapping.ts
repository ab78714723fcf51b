import type { NativeLibrary } from './library.js';

/** A pass of PolyNorm, as mappings tell them apart; in the order of the C ABI's numbers. */
export const MAPPED_PASSES = ['forward', 'backward', 'gated_forward', 'gated_backward'] as const;
export type MappedPass = (typeof MAPPED_PASSES)[number];

/**
 * How a row is taken: lanes of a warp keep it in registers; a block does; a block, or a cluster of them, keeps it in shared
 * memory; or a block reads it twice. In the order of the C ABI's numbers.
 */
export const MAPPING_PATHS = ['warp', 'block', 'staged', 'twice'] as const;
export type MappingPath = (typeof MAPPING_PATHS)[number];

/** A line of the table of mappings: how the CUDA kernels of PolyNorm take rows (pc_mapping of polycom.h). */
export interface Mapping {
  /** The oldest that it is for: 90 for compute capability 9.0. */
  readonly architecture: number;
  readonly pass: MappedPass;
  /** Bytes of an element; 0 for either size. */
  readonly item: 0 | 2 | 4;
  readonly path: MappingPath;
  /** Of a block, at most. */
  readonly threads: number;
  /** Rows in flight, where rows are staged: 1 to 4. */
  readonly stages: number;
  /** Blocks to a row, where rows are staged: 1, 2, 4 or 8. */
  readonly cluster: number;
  /** Of 16 bytes, of the longest row that it is for. */
  readonly slots: number;
}

/** A mapping, and the launch that follows from it for rows of some width. */
export interface ChosenMapping extends Mapping {
  readonly launch: {
    /** Threads of a block. */
    readonly threads: number;
    /** Slots of each tensor that a thread takes; 0 where it loops over the row. */
    readonly slots: number;
    /** Bytes of dynamic shared memory a block. */
    readonly shared_bytes: number;
  };
}

// sizeof(pc_mapping) and sizeof(pc_mapping_launch), and where their int64 members are.
const [MAPPING_BYTES, SLOTS_AT, LAUNCH_BYTES, SHARED_AT] = [40, 32, 16, 8];

/**
 * The mapping that rows of some width have on a GPU; none is needed.
 *
 * @param architecture 90 for compute capability 9.0
 * @param item bytes of an element: 2 or 4
 * @param slots of 16 bytes, that the row has
 * @throws {PolycomError} `INVALID_ARGUMENT` for numbers that no row has
 */
export function findMapping(
  native: NativeLibrary,
  architecture: number,
  pass: MappedPass,
  item: 2 | 4,
  slots: number,
): ChosenMapping {
  type Find = (
    architecture: number,
    pass: number,
    item: number,
    slots: number,
    found: object,
    launch: object,
  ) => number;
  const types = ['int32_t', 'int32_t', 'int32_t', 'int64_t', 'void *', 'void *'];
  const find = native.function<Find>('pc_mapping_find', 'int32_t', types);
  const [found, launch] = [
    new DataView(new ArrayBuffer(MAPPING_BYTES)),
    new DataView(new ArrayBuffer(LAUNCH_BYTES)),
  ];
  native.check(find(architecture, MAPPED_PASSES.indexOf(pass), item, slots, found, launch));
  return {
    ...decode(found),
    launch: {
      threads: launch.getInt32(0, true),
      slots: launch.getInt32(4, true),
      shared_bytes: Number(launch.getBigInt64(SHARED_AT, true)),
    },
  };
}

/**
 * Puts mappings before the library's table, in place of those that were put there before: none leaves the table alone.
 * For the whole process, from the next op on. Results may differ in their last bits from mapping to mapping.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for more than 256, and for a mapping that no kernel has
 */
export function replaceMappings(native: NativeLibrary, mappings: readonly Mapping[]): void {
  type Replace = (lines: object, count: number) => number;
  const replace = native.function<Replace>('pc_mapping_replace', 'int32_t', ['void *', 'int32_t']);
  const lines = new DataView(new ArrayBuffer(Math.max(mappings.length, 1) * MAPPING_BYTES));
  for (const [i, mapping] of mappings.entries()) encode(mapping, lines, i * MAPPING_BYTES);
  native.check(replace(lines, mappings.length));
}

function encode(mapping: Mapping, to: DataView, at: number): void {
  const words = [
    mapping.architecture,
    MAPPED_PASSES.indexOf(mapping.pass),
    mapping.item,
    MAPPING_PATHS.indexOf(mapping.path),
    mapping.threads,
    mapping.stages,
    mapping.cluster,
  ];
  for (const [i, word] of words.entries()) to.setInt32(at + 4 * i, word, true);
  to.setBigInt64(at + SLOTS_AT, BigInt(mapping.slots), true);
}

function decode(from: DataView): Mapping {
  const word = (i: number): number => from.getInt32(4 * i, true);
  return {
    architecture: word(0),
    pass: MAPPED_PASSES[word(1)]!,
    item: word(2) as Mapping['item'],
    path: MAPPING_PATHS[word(3)]!,
    threads: word(4),
    stages: word(5),
    cluster: word(6),
    slots: Number(from.getBigInt64(SLOTS_AT, true)),
  };
}
