import type { Instruction } from './sass.js';

/** Instructions that are done one after the other, and the numbers of the blocks that may follow. */
export interface Block {
  readonly instructions: readonly Instruction[];
  readonly next: readonly number[];
}

/** Blocks that are done again and again, the first of them on each round first. */
export interface Loop {
  readonly head: number;
  readonly blocks: ReadonlySet<number>;
}

/** Cuts a kernel into blocks: they begin where something jumps to, and end where something jumps. */
export function blocksOf(instructions: readonly Instruction[]): Block[] {
  const starts = new Set(instructions.map(targetOf).filter((address) => address !== undefined));
  const cut: Instruction[][] = [];
  for (const [i, one] of instructions.entries()) {
    const before = instructions[i - 1];
    if (before === undefined || ends(before) || starts.has(one.address)) cut.push([]);
    cut.at(-1)!.push(one);
  }
  const numbers = new Map(cut.map((block, i) => [block[0]!.address, i]));
  return cut.map((block, i) => {
    const last = block.at(-1)!;
    const target = numbers.get(targetOf(last) ?? -1);
    const goesOn =
      !ends(last) || last.guarded || last.operands.includes(',') || /^(CALL|BRA\.DIV)/.test(last.op);
    const next = goesOn && i + 1 < cut.length ? [i + 1] : [];
    if (target !== undefined && !next.includes(target)) next.push(target);
    return { instructions: block, next };
  });
}

function ends({ op }: Instruction): boolean {
  return /^(BRA|BRX|JMP|JMX|CALL|EXIT|RET)\b/.test(op);
}

/**
 * Where it jumps to. A branch for warps that have come apart is none: they have not, on the fast path. A call may be one:
 * ptxas writes some that do not come back.
 */
function targetOf({ op, operands }: Instruction): number | undefined {
  if (!/^(BRA|JMP|CALL)\b/.test(op) || op.startsWith('BRA.DIV')) return undefined;
  const address = /0x([0-9a-f]+)$/.exec(operands)?.[1];
  return address === undefined ? undefined : Number.parseInt(address, 16);
}

/** The loops, those around others after them. */
export function loopsOf(blocks: readonly Block[]): Loop[] {
  const dominators = dominatorsOf(blocks);
  const found = new Map<number, Set<number>>();
  for (const [from, { next }] of blocks.entries()) {
    for (const head of next) {
      if (!dominators[from]?.has(head)) continue;
      const body = found.get(head) ?? new Set([head]);
      found.set(head, body);
      const pending = [from];
      while (pending.length > 0) {
        const block = pending.pop()!;
        if (body.has(block)) continue;
        body.add(block);
        pending.push(...previousOf(blocks, block));
      }
    }
  }
  return Array.from(found, ([head, body]) => ({ head, blocks: body })).sort(
    (a, b) => a.blocks.size - b.blocks.size,
  );
}

function previousOf(blocks: readonly Block[], to: number): number[] {
  return blocks.flatMap(({ next }, from) => (next.includes(to) ? [from] : []));
}

/** The blocks that each is only reached through, itself among them; none of those that nothing reaches. */
function dominatorsOf(blocks: readonly Block[]): (ReadonlySet<number> | undefined)[] {
  const found: (ReadonlySet<number> | undefined)[] = blocks.map(() => undefined);
  found[0] = new Set([0]);
  for (let changed = true; changed; ) {
    changed = false;
    for (let block = 1; block < blocks.length; ++block) {
      const before = previousOf(blocks, block).flatMap((from) => found[from] ?? []);
      if (before.length === 0) continue;
      const common = [...before[0]!].filter((one) => before.every((set) => set.has(one)));
      if (found[block]?.size === common.length + (common.includes(block) ? 0 : 1)) continue;
      found[block] = new Set([...common, block]);
      changed = true;
    }
  }
  return found;
}

/** Whether a loop lies inside another. */
export function isInside(loop: Loop, other: Loop): boolean {
  return loop.head !== other.head && other.blocks.has(loop.head);
}
