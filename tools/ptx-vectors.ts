/** What a kernel does 16 bytes at a time. */
export type Access = 'loads' | 'stores';

/** A kernel whose PTX lacks the 128-bit accesses that its path is for. */
export interface NarrowKernel {
  /** By its mangled name. */
  readonly kernel: string;
  readonly lacks: readonly Access[];
}

const PATTERNS: Readonly<Record<Access, RegExp>> = {
  loads: /\bld\.global(\.\w+)*\.(v4\.[bfsu]32|v2\.[bfsu]64)\b|\bcp\.async\.cg\.shared\.global\b/,
  stores: /\bst\.global(\.\w+)*\.(v4\.[bfsu]32|v2\.[bfsu]64)\b/,
};

/**
 * The kernels that do not load, or store, 16 bytes at a time where they should.
 *
 * @param ptx the text that nvcc writes for one file
 * @param wide what a kernel, by its mangled name, should do so
 */
export function narrowKernels(ptx: string, wide: (kernel: string) => readonly Access[]): NarrowKernel[] {
  return entries(ptx)
    .map(({ kernel, body }) => ({
      kernel,
      lacks: wide(kernel).filter((access) => !PATTERNS[access].test(body)),
    }))
    .filter(({ lacks }) => lacks.length > 0);
}

const BOTH: readonly Access[] = ['loads', 'stores'];

/**
 * What a kernel, by its demangled name, does in whole slots of 16 bytes: an activation's reads and writes them, save
 * where its last or last but one argument says that its slots are single elements. What is quantised is narrower, and
 * sums are few.
 */
export function wideAccesses(name: string): readonly Access[] {
  const [, kernel, list] = /^(\w+)<(.*)>$/.exec(name) ?? [];
  if (kernel === undefined) return [];
  const given = list!.split(', ');
  if (kernel.startsWith('elementwise_')) return given.at(-2) === 'true' ? BOTH : [];
  if (kernel.startsWith('polynorm_')) return kernel.includes('_wide_') && given.at(-1) !== 'true' ? [] : BOTH;
  if (/^(groupedpolynorm|polynormapply)_(forward|backward)_/.test(kernel)) return BOTH;
  return /^(quantizedpolynorm|polynormmoments|polynormproducts)_/.test(kernel) ? ['loads'] : [];
}

/** The bodies of a PTX file's kernels. */
function entries(ptx: string): { kernel: string; body: string }[] {
  return ptx
    .split(/^(?=(?:\.\w+ )*\.entry )/m)
    .filter((text) => /^(?:\.\w+ )*\.entry /.test(text))
    .map((body) => ({ kernel: /\.entry (\w+)/.exec(body)![1]!, body }));
}
