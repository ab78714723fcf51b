/** What one kernel takes on one architecture. */
export interface KernelResources {
  readonly kernel: string;
  /** The architecture: `90` for sm_90. */
  readonly sm: string;
  readonly registers: number;
  /** Static shared memory of a block. */
  readonly shared_bytes: number;
  /** Local memory of a thread: arrays that are not in registers, and what was spilled. */
  readonly stack_bytes: number;
}

/** PTX of a library's, for one architecture. */
export interface Ptx {
  readonly sm: string;
  readonly text: string;
}

/** What the system takes of each block, from sm_90 on: it is counted where a block has shared memory. */
const RESERVED_SHARED = 1024;

/** Reads what `cuobjdump --dump-resource-usage` prints: an entry for each kernel, by its mangled name. */
export function parseResources(text: string): KernelResources[] {
  return text.split(/^arch = sm_/m).flatMap((section) => {
    const sm = /^\d+/.exec(section)?.[0];
    if (sm === undefined) return [];
    const functions = section.matchAll(/Function (\S+):\s+REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)/g);
    return Array.from(functions, ([, kernel, registers, stack, shared, local]) => ({
      kernel: kernel!,
      sm,
      registers: Number(registers),
      shared_bytes: Number(sm) < 90 ? Number(shared) : Math.max(0, Number(shared) - RESERVED_SHARED),
      stack_bytes: Number(stack) + Number(local),
    }));
  });
}

/** Reads what `cuobjdump --dump-ptx` prints. */
export function parsePtx(text: string): Ptx[] {
  const sections = text.split(/^Fatbin ptx code:$/m).slice(1);
  return sections.map((section) => ({ sm: /^arch = sm_(\d+)/m.exec(section)![1]!, text: section }));
}

/** Characters of a column of an architecture, in the table of kernels. */
export const COLUMN = 18;

/** What a record tells of some architectures: the columns of a table that has one for each, the lines of one that has those. */
export function partOf(record: string, architectures: readonly string[]): string {
  const lines = record.split('\n');
  const head = lines.find((line) => / sm_\d+$/.test(line));
  if (head === undefined) {
    return lines
      .filter((line) => !/^\d/.test(line) || architectures.includes(/^\d+/.exec(line)![0]))
      .join('\n');
  }
  const columns = head.match(/sm_\d+/g)!;
  const width = head.length - COLUMN * columns.length;
  const cut = (line: string): string => {
    if (line.length !== head.length) return line;
    const cells = architectures.map((sm) => {
      const start = width + COLUMN * columns.indexOf(`sm_${sm}`);
      return line.slice(start, start + COLUMN);
    });
    return [line.slice(0, width), ...cells].join('');
  };
  return lines.map(cut).join('\n');
}
