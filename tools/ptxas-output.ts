/** What one kernel takes on one architecture. */
export interface KernelResources {
  readonly kernel: string;
  /** The architecture: `90` for sm_90. */
  readonly sm: string;
  readonly registers: number;
  /** Static shared memory of a block. */
  readonly shared_bytes: number;
  readonly stack_bytes: number;
  /** Stores and loads together. */
  readonly spill_bytes: number;
}

/** Reads the output of `ptxas -v`: an entry for each kernel, by its mangled name. */
export function parsePtxas(text: string): KernelResources[] {
  const blocks = text.split(/Compiling entry function '/).slice(1);
  return blocks.map((block) => {
    const number = (pattern: RegExp): number => Number(pattern.exec(block)?.[1] ?? 0);
    const [, kernel, sm] = /^([^']+)' for 'sm_(\d+\w?)'/.exec(block)!;
    return {
      kernel: kernel!,
      sm: sm!,
      registers: number(/Used (\d+) registers/),
      shared_bytes: number(/(\d+) bytes smem/),
      stack_bytes: number(/(\d+) bytes stack frame/),
      spill_bytes: number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/),
    };
  });
}
