/** A kernel whose PTX lacks the 128-bit accesses that its path is for. */
export interface NarrowKernel {
  /** By its mangled name. */
  readonly kernel: string;
  readonly lacks: readonly ('loads' | 'stores')[];
}

const LOAD = /\bld\.global(\.\w+)*\.(v4\.[bfsu]32|v2\.[bfsu]64)\b|\bcp\.async\.cg\.shared\.global\b/;
const STORE = /\bst\.global(\.\w+)*\.(v4\.[bfsu]32|v2\.[bfsu]64)\b/;

/**
 * The kernels among `wide` that do not load, or store, 16 bytes at a time.
 *
 * @param ptx the text that nvcc writes for one file
 * @param wide whether a kernel, by its mangled name, is for whole slots of 16 bytes
 */
export function narrowKernels(ptx: string, wide: (kernel: string) => boolean): NarrowKernel[] {
  return entries(ptx)
    .filter(({ kernel }) => wide(kernel))
    .map(({ kernel, body }) => ({
      kernel,
      lacks: [
        ...(LOAD.test(body) ? [] : (['loads'] as const)),
        ...(STORE.test(body) ? [] : (['stores'] as const)),
      ],
    }))
    .filter(({ lacks }) => lacks.length > 0);
}

/**
 * Whether a kernel, by its demangled name, is for whole slots of 16 bytes: an activation's, save where its last or last
 * but one argument says that its slots are single elements.
 */
export function takesWholeSlots(name: string): boolean {
  const [, kernel, list] = /^(\w+)<(.*)>$/.exec(name) ?? [];
  const given = list?.split(', ') ?? [];
  if (kernel?.startsWith('elementwise_')) return given.at(-2) === 'true';
  if (!kernel?.startsWith('polynorm_')) return false;
  return !kernel.includes('_wide_') || given.at(-1) === 'true';
}

/** The bodies of a PTX file's kernels. */
function entries(ptx: string): { kernel: string; body: string }[] {
  return ptx
    .split(/^(?=(?:\.\w+ )*\.entry )/m)
    .filter((text) => /^(?:\.\w+ )*\.entry /.test(text))
    .map((body) => ({ kernel: /\.entry (\w+)/.exec(body)![1]!, body }));
}
