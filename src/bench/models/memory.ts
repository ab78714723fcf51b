import { PolycomError } from '../../common/errors.js';
import { activationOf, isFused } from '../../model/activation.js';
import { type ModelConfig, parameterCounts } from '../../model/index.js';
import { findNative } from '../../native/library.js';
import { isGated } from '../../op/gated.js';
import { hasOrder } from '../../op/sample.js';
import { tensorflowDevice } from '../parts.js';
import type { OwnModelVariant } from './types.js';

/** About how many bytes a contender takes. */
export interface Need {
  /** From its making to its end: parameters, and in training AdamW's moments. */
  readonly held: number;
  /** At its most beside that, while it runs or is checked. */
  readonly working: number;
}

/** A model, and the way in which it is run. */
export interface ModelContender {
  readonly config: ModelConfig;
  readonly variant: OwnModelVariant;
}

/** Which contenders are measured together, and why. */
export interface MemoryPlan {
  /** Those of a group are held at once, and take their turns. */
  readonly groups: readonly (readonly ModelContender[])[];
  /** Of each that does not fit even alone, and of what else came of the memory: a line. */
  readonly notes: readonly string[];
  /** What all of them take and what there is. */
  readonly line: string;
}

const BYTES = 4;
/** The share of the free memory that is planned with: estimates are rough, and the machine has other work. */
const SHARE = 0.85;

/**
 * The bytes that this process may still take: of the machine or its container, and of TensorFlow's allocator, whose
 * limit `TF_CPU_BFC_MEM_LIMIT_IN_MB` is in force.
 */
export function freeBytes(env: NodeJS.ProcessEnv = process.env): number {
  const limit = env.TF_CPU_ALLOCATOR_USE_BFC === '1' ? Number(env.TF_CPU_BFC_MEM_LIMIT_IN_MB) * 2 ** 20 : 0;
  const free = process.availableMemory();
  return limit > 0 ? Math.min(free, limit) : free;
}

/** The bytes of a GPU's memory, nearly all of which TensorFlow takes; elsewhere as {@link freeBytes}. */
function freeOnDevice(): number {
  const native = findNative();
  if (!native.found || tensorflowDevice(native) !== 'cuda') return freeBytes();
  return native.deviceInfo('cuda').memory_bytes ?? freeBytes();
}

/** All at once where they fit, else one at a time, without those that do not fit at all. */
export function planMemory(
  contenders: readonly ModelContender[],
  needOf: (contender: ModelContender) => Need,
  free: number = freeOnDevice(),
): MemoryPlan {
  const needs = contenders.map(needOf);
  const alone = needs.map(({ held, working }) => held + working);
  const together = sum(needs.map(({ held }) => held)) + Math.max(...needs.map(({ working }) => working));
  const room = free * SHARE;
  const each = `about ${gigabytes(Math.min(...alone))} to ${gigabytes(Math.max(...alone))} for a contender`;
  const about = `memory: ${each}, ${gigabytes(together)} for all ${alone.length}; ${gigabytes(free)} are free`;
  if (together <= room) return { groups: [contenders], notes: [], line: `${about}: all are held at once` };
  const line = `${about}: one is held at a time, so they do not take turns`;
  const leftOut = contenders.flatMap(({ config, variant }, i) =>
    alone[i]! <= room
      ? []
      : [`${config.activation}, ${variant} left out: it needs about ${gigabytes(alone[i]!)} of memory`],
  );
  const fitting = contenders.filter((_, i) => alone[i]! <= room);
  return { groups: fitting.map((contender) => [contender]), notes: [line, ...leftOut], line };
}

/** @throws {PolycomError} `OUT_OF_MEMORY` where nothing fits: before anything is made */
export function checkFits({ groups, line }: MemoryPlan): void {
  if (groups.length > 0) return;
  throw new PolycomError('OUT_OF_MEMORY', `nothing fits the ${line.split(': one is held')[0]}`, {
    remedy: 'take fewer or shorter sequences at once',
  });
}

/**
 * What training takes. The factors were measured with `measurePeak` on the preset small and on variations of its batch,
 * context, vocabulary and depth.
 */
export function trainingNeed(
  config: ModelConfig,
  variant: OwnModelVariant,
  { batch, time }: { readonly batch: number; readonly time: number },
): Need {
  const parameters = BYTES * parameterCounts(config).total;
  const { width, hidden, logits, scores } = tensorsOf(config, batch, time);
  const once = unfusedNeed(config, { hidden, logits, scores });
  const block = config.layers * (6 * width + 2 * hidden) + logits;
  const tape = config.layers * ((isPolynomial(config) ? 47 : 23) * hidden + 7 * scores) + 20 * logits;
  const run = { fused: block, composed: block + once, stock: tape }[variant];
  // The check runs the same model once more, out of tf's own ops.
  return { held: 3 * parameters, working: parameters + Math.max(run, once) };
}

/** What generating takes: parameters; the keys and values, twice while they grow; a prompt read without them, as a check. */
export function generationNeed(config: ModelConfig, batch: number, length: number, steps: number): Need {
  const { layers, kvHeads, headWidth } = config;
  const cache = 2 * BYTES * batch * (length + steps) * layers * kvHeads * headWidth;
  const read = tensorsOf(config, batch, length);
  const check = unfusedNeed(config, tensorsOf(config, 1, length));
  const working = Math.max(8 * read.width + 3 * read.hidden + 3 * read.scores, check);
  return { held: BYTES * parameterCounts(config).total, working: 2 * cache + working };
}

/** The largest of what tf's own ops hold at once: in attention, in a polynomial, in the loss. */
function unfusedNeed(
  config: ModelConfig,
  { hidden, logits, scores }: Pick<ReturnType<typeof tensorsOf>, 'hidden' | 'logits' | 'scores'>,
): number {
  return Math.max(8 * scores, (isPolynomial(config) ? 30 : 8) * hidden, 8 * logits);
}

/** The bytes of tensors of a whole batch, by what is wide in them. */
function tensorsOf(config: ModelConfig, batch: number, time: number) {
  const rows = BYTES * batch * time;
  const { width, heads, vocabulary, experts } = config;
  const gate = isGated(activationOf(config.activation)) ? 1.5 : 1; // two projections, of two thirds of the width
  return {
    width: rows * width,
    hidden: rows * config.hidden * gate * (experts?.active ?? 1),
    logits: rows * vocabulary,
    scores: rows * heads * time,
  };
}

/** Whether it has powers, whose composition keeps many tensors; a variant is one. */
function isPolynomial({ activation }: ModelConfig): boolean {
  const row = activationOf(activation);
  return hasOrder(row) || !isFused(row);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** `3.1 GB`. */
export function gigabytes(bytes: number): string {
  return `${Number((bytes / 1e9).toPrecision(2))} GB`;
}
