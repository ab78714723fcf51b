import { activationRows, activations } from './activations/table.js';
import { isGated, packed } from './op/gated.js';
import type { Op } from './op/types.js';
import { transformerOps } from './transformer-ops/table.js';

/** The table of every op: the activations, then the transformer's others. */
export const ops: typeof activations & typeof transformerOps = { ...activations, ...transformerOps };

/** The name of an op. */
export type OpName = keyof typeof ops;

/** The rows of the table, in its order. */
export const opRows: readonly Op<OpName>[] = Object.values(ops);

/** The activations of a tfjs backend: those of the table, each gated one followed by its packed form. */
export const tfjsActivations: readonly Op[] = activationRows.flatMap((row) =>
  isGated(row) ? [row, packed(row)] : [row],
);

/** Every op of a tfjs backend. */
export const tfjsOps: readonly Op[] = [...tfjsActivations, ...Object.values(transformerOps)];
