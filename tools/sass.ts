/** One instruction of a kernel's machine code. */
export interface Instruction {
  readonly address: number;
  /** Whether a predicate decides if it is done. */
  readonly guarded: boolean;
  /** Its name with what follows it: `LDG.E.128`. */
  readonly op: string;
  readonly operands: string;
}

/** A kernel's machine code for one architecture. */
export interface Sass {
  /** By its mangled name. */
  readonly kernel: string;
  /** The architecture: `90` for sm_90. */
  readonly sm: string;
  readonly instructions: readonly Instruction[];
}

/** Reads what `cuobjdump --dump-sass` prints. */
export function parseSass(text: string): Sass[] {
  return text.split(/^\s*code for sm_/m).flatMap((section) => {
    const sm = /^\d+/.exec(section)?.[0];
    if (sm === undefined) return [];
    return section
      .split(/^\s*Function : /m)
      .slice(1)
      .map((body) => ({ kernel: /^\S+/.exec(body)![0], sm, instructions: parseInstructions(body) }));
  });
}

/** Reads lines such as `/*0110*\/   @P0 EXIT ;`; what pads a kernel is left out. */
export function parseInstructions(text: string): Instruction[] {
  const lines = text.matchAll(/\/\*([0-9a-f]{4,})\*\/\s+(@!?U?P\w+\s+)?([A-Z][\w.]*)\s*([^;]*);/g);
  return Array.from(lines, ([, address, guard, op, operands]) => ({
    address: Number.parseInt(address!, 16),
    guarded: guard !== undefined,
    op: op!,
    operands: operands!.trim(),
  })).filter(({ op }) => op !== 'NOP');
}

/** What moves 16 bytes or more a thread: between global memory, shared memory and registers. */
export type Wide = 'load' | 'copy' | 'read' | 'store';

const WIDE: readonly (readonly [Wide, RegExp])[] = [
  ['load', /^LDG\b/],
  ['copy', /^LDGSTS\b/],
  ['read', /^LDS\b/],
  ['store', /^STG\b/],
];

/** An instruction that moves as much. */
export interface WideAccess {
  readonly kind: Wide;
  readonly bytes: number;
}

/** What of that an instruction is; undefined where it is none. */
export function wideAccess({ op }: Instruction): WideAccess | undefined {
  const bits = /\.(128|256)\b/.exec(op)?.[1];
  const kind = WIDE.find(([, pattern]) => pattern.test(op))?.[0];
  return bits === undefined || kind === undefined ? undefined : { kind, bytes: Number(bits) / 8 };
}

/** Whether it stores less than 16 bytes in global memory. */
export function isNarrowStore(one: Instruction): boolean {
  return /^STG?\b/.test(one.op) && wideAccess(one) === undefined;
}

/** Whether it computes in float. */
export function isArithmetic({ op }: Instruction): boolean {
  return /^(FADD|FMUL|FFMA|HADD2|HMUL2|HFMA2|MUFU)/.test(op);
}

/** Whether it computes in double, or converts from or to it. */
export function isDouble({ op }: Instruction): boolean {
  return /^D(ADD|MUL|FMA|SETP|MNMX)\b|\.F64\b|^MUFU\.\w+64H/.test(op);
}

/** Whether it is part of local memory's traffic: arrays that are not in registers, and what was spilled. */
export function isLocal({ op }: Instruction): boolean {
  return /^(LDL|STL)\b/.test(op);
}

/** Whether it waits until the whole GPU, or more, sees what the thread has written. */
export function isGpuFence({ op }: Instruction): boolean {
  return /^MEMBAR\b.*\.(GPU|SYS|VC)\b/.test(op);
}

/** Whether it rounds one float to 16 bits, where it could round two. */
export function isSingleConversion({ op, operands }: Instruction): boolean {
  return /^F2FP\b.*\.PACK_AB/.test(op) && /\bRZ\b/.test(operands);
}

/** Whether it is a sign of a path that is not for speed: a function that is called, a fence, an element stored alone. */
export function isSlow(one: Instruction): boolean {
  return isNarrowStore(one) || isDouble(one) || isGpuFence(one) || /^(CALL|WARPSYNC)\b/.test(one.op);
}
