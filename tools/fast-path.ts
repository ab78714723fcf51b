import { type Block, isInside, type Loop, loopsOf } from './blocks.js';
import { isArithmetic, isSlow, type Wide, type WideAccess, wideAccess } from './sass.js';

/** How a kernel goes over its tensors. */
export interface Walk {
  /** Whether a block of threads goes round its outermost loop many times: a round is counted, else the whole kernel. */
  readonly rounds: boolean;
  /** 16-byte slots of each tensor that a thread takes a row, where loops inside take them one after the other. */
  readonly slots?: number;
  /** Matrices that it reads and writes. */
  readonly reads: number;
  readonly writes: number;
}

/** A step of the fast path: a block, and how many times it is done. */
export interface Step {
  readonly block: number;
  readonly times: number;
}

/** The way through a kernel that most of its time goes on. */
export interface FastPath {
  readonly steps: readonly Step[];
  /** Instructions a thread. */
  readonly instructions: number;
  /** Bytes a thread, by what moves them. */
  readonly bytes: Readonly<Record<Wide, number>>;
}

interface Way {
  readonly steps: readonly Step[];
  readonly gain: number;
  readonly slow: number;
  readonly arithmetic: number;
  readonly instructions: number;
}

const NOWHERE: Way = { steps: [], gain: 0, slow: 0, arithmetic: 0, instructions: 0 };

/**
 * The fast path: of the ways through the kernel, or round its outermost loop that stores whole slots, the one with the
 * most accesses of 16 bytes; of those the one with the fewest signs of a slow path, then the one that computes most, so
 * that no slot is left out, and then the shortest. A loop inside that takes a thread's slots counts for all of them, and
 * what stands beside it for a rest counts for none.
 *
 * @throws {Error} where `rounds` are asked for and no loop stores whole slots
 */
export function fastPath(blocks: readonly Block[], walk: Walk): FastPath {
  const loops = loopsOf(blocks);
  const outermost = walk.rounds
    ? loops.findLast(({ blocks: inside }) => [...inside].some((block) => moves(blocks[block]!, 'store')))
    : { head: 0, blocks: new Set(blocks.keys()) };
  if (outermost === undefined) throw new Error('no loop stores 16 bytes at a time');
  const inside = loops.filter((loop) => isInside(loop, outermost));
  const way = new Finder(blocks, inside, walk).best(outermost, walk.rounds);
  const bytes: Record<Wide, number> = { load: 0, copy: 0, read: 0, store: 0 };
  for (const { block, times } of way.steps) {
    for (const one of blocks[block]!.instructions) {
      const access = wideAccess(one);
      if (access !== undefined) bytes[access.kind] += times * access.bytes;
    }
  }
  return { steps: way.steps, instructions: way.instructions, bytes };
}

function moves({ instructions }: Block, kind: Wide): boolean {
  return instructions.some((one) => wideAccess(one)?.kind === kind);
}

class Finder {
  /** The loops over a thread's slots: the way round each, and the slots that a round takes. */
  private readonly slotLoops = new Map<Loop, { readonly way: Way; readonly slots: number }>();
  /** What such loops do: beside them it is done for a rest. */
  private readonly looped = new Set<Wide>();

  private readonly blocks: readonly Block[];
  private readonly loops: readonly Loop[];
  private readonly walk: Walk;

  constructor(blocks: readonly Block[], loops: readonly Loop[], walk: Walk) {
    this.blocks = blocks;
    this.loops = loops;
    this.walk = walk;
    if (walk.slots === undefined) return;
    // Of loops that move the same, one is unrolled and the others are for the rest.
    const unrolled = new Map<string, { loop: Loop; way: Way; slots: number }>();
    const innermost = loops.filter((loop) => !loops.some((other) => isInside(other, loop)));
    for (const loop of innermost) {
      const way = this.best(loop, true);
      const counts = this.slotsOf(way.steps);
      const slots = Math.max(0, ...counts.values());
      const alike = [...counts.keys()].sort().join();
      if (slots > (unrolled.get(alike)?.slots ?? 0)) unrolled.set(alike, { loop, way, slots });
    }
    for (const { loop, ...round } of unrolled.values()) {
      this.slotLoops.set(loop, round);
      for (const kind of this.slotsOf(round.way.steps).keys()) this.looped.add(kind);
    }
    // A load is what a copy of a part of a slot falls back to.
    if (this.looped.has('copy')) this.looped.add('load');
  }

  /** Slots that steps take of each tensor, by what moves them. */
  private slotsOf(steps: readonly Step[]): Map<Wide, number> {
    const counts = new Map<Wide, number>();
    for (const one of steps.flatMap(({ block }) => this.blocks[block]!.instructions)) {
      const access = wideAccess(one);
      if (access === undefined) continue;
      const slots = access.bytes / 16 / (access.kind === 'store' ? this.walk.writes : this.walk.reads);
      counts.set(access.kind, (counts.get(access.kind) ?? 0) + slots);
    }
    return counts;
  }

  /** The best way from a region's head to where it leaves: the end of a round, or of the kernel. */
  best({ head, blocks: region }: Loop, round: boolean): Way {
    const inner = this.loops.filter((loop) => isInside(loop, { head, blocks: region })).reverse();
    const known = new Map<number, Way | undefined>();
    const from = (block: number): Way | undefined => {
      if (known.has(block)) return known.get(block);
      known.set(block, undefined);
      const loop = inner.find(({ head: first }) => first === block);
      const here = loop === undefined ? this.step(block) : this.round(loop);
      const next = loop === undefined ? this.blocks[block]!.next : this.exits(loop);
      const ways = next.flatMap((to) => {
        if (!region.has(to)) return [];
        if (to === head) return round ? [NOWHERE] : [];
        return from(to) ?? [];
      });
      if (!round && this.leaves(block)) ways.push(NOWHERE);
      const best = ways.reduce<Way | undefined>(
        (a, b) => (a === undefined || better(b, a) ? b : a),
        undefined,
      );
      const way = best === undefined ? undefined : sum(here, best);
      known.set(block, way);
      return way;
    };
    return from(head) ?? NOWHERE;
  }

  private leaves(block: number): boolean {
    const last = this.blocks[block]!.instructions.at(-1)!;
    return last.op === 'EXIT' && !last.guarded;
  }

  private exits(loop: Loop): number[] {
    const next = [...loop.blocks].flatMap((block) => this.blocks[block]!.next);
    return [...new Set(next)].filter((to) => !loop.blocks.has(to));
  }

  private step(block: number): Way {
    const { instructions } = this.blocks[block]!;
    const accesses = instructions.flatMap((one) => wideAccess(one) ?? []);
    const rest = accesses.filter(({ kind }) => this.looped.has(kind));
    return {
      steps: [{ block, times: 1 }],
      gain: rest.length > 0 ? 0 : accesses.reduce((all, access) => all + moved(access), 0),
      slow: instructions.filter(isSlow).length + rest.length,
      arithmetic: instructions.filter(isArithmetic).length,
      instructions: instructions.length,
    };
  }

  /** A loop inside, as one step: once, or as many times as a thread's slots take. */
  private round(loop: Loop): Way {
    const known = this.slotLoops.get(loop);
    if (known === undefined) return this.best(loop, true);
    const { way, slots } = known;
    const times = this.walk.slots! / slots;
    return {
      steps: way.steps.map((step) => ({ block: step.block, times: step.times * times })),
      gain: 16 * this.walk.slots!,
      slow: way.slow * times,
      arithmetic: way.arithmetic * times,
      instructions: way.instructions * times,
    };
  }
}

/** A copy does what a load does, and writes to shared memory too. */
function moved({ kind, bytes }: WideAccess): number {
  return kind === 'copy' ? 2 * bytes : bytes;
}

function better(a: Way, b: Way): boolean {
  const first = a.gain - b.gain || b.slow - a.slow || a.arithmetic - b.arithmetic;
  return (first || b.instructions - a.instructions) > 0;
}

function sum(a: Way, b: Way): Way {
  return {
    steps: [...a.steps, ...b.steps],
    gain: a.gain + b.gain,
    slow: a.slow + b.slow,
    arithmetic: a.arithmetic + b.arithmetic,
    instructions: a.instructions + b.instructions,
  };
}
