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

/** The other ops' kernels that read and write whole slots, and those that read them. */
const OTHERS =
  /^(groupedpolynorm_(for|back)ward|rmsnorm_(for|back)ward(_twice)?|crossentropy_backward|embedding_forward|rotary|dropout|adamw)_kernel$/;
const READERS =
  /^(attention_(forward|queries|keys)_mma|crossentropy_forward|rmsnorm_dweight|squaresum)_kernel$/;

/**
 * What a kernel, by its demangled name, does in whole slots of 16 bytes: an activation's reads and writes them, save
 * where its last argument says that its slots are single elements. Sums are few.
 */
export function wideAccesses(name: string): readonly Access[] {
  const [, kernel, list] = /^(\w+)<(.*)>$/.exec(name) ?? [];
  if (kernel === undefined) return [];
  const given = list!.split(', ');
  if (kernel.startsWith('elementwise_'))
    return kernel.includes('_run_') || given.at(-1) === 'true' ? BOTH : [];
  if (kernel.startsWith('polynorm_')) return kernel.includes('_wide_') && given.at(-1) !== 'true' ? [] : BOTH;
  if (kernel === 'stream_kernel') return given.includes('uint4') ? BOTH : [];
  // Slots of one element are for what is not aligned.
  if (given.at(-1) === '1') return [];
  return OTHERS.test(kernel) ? BOTH : READERS.test(kernel) ? ['loads'] : [];
}

/**
 * The kernels, by their mangled names, that may read shared memory between a wait for asynchronous copies and the
 * compiler's barrier behind it (an empty inline asm): the wait alone is none.
 */
export function openWaits(ptx: string): string[] {
  return entries(ptx)
    .filter(({ body }) =>
      body
        .split(/\bcp\.async\.wait_(?:group|all)\b/)
        .slice(1)
        .some((after) => /\bld\.shared\b/.test(after.split(BARRIER)[0]!)),
    )
    .map(({ kernel }) => kernel);
}

/** The kernels, by their mangled names, that wait for asynchronous copies. */
export function waits(ptx: string): string[] {
  return entries(ptx)
    .filter(({ body }) => /\bcp\.async\.wait_(?:group|all)\b/.test(body))
    .map(({ kernel }) => kernel);
}

const BARRIER = /\/\/ begin inline asm\s*\/\/ end inline asm/;

/** The bodies of a PTX file's kernels. */
function entries(ptx: string): { kernel: string; body: string }[] {
  return ptx
    .split(/^(?=(?:\.\w+ )*\.entry )/m)
    .filter((text) => /^(?:\.\w+ )*\.entry /.test(text))
    .map((body) => ({ kernel: /\.entry (\w+)/.exec(body)![1]!, body }));
}
