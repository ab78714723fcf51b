import type { FusedOp } from '../op/types.js';
import { geGluRow, packedRow, polynormGluRow, polyreluGluRow, reGluRow, swiGluRow } from './gated.js';
import { geluRow } from './gelu.js';
import { polynormRow } from './polynorm.js';
import { polyreluRow } from './polyrelu.js';
import { reluRow } from './relu.js';
import { relu2Row } from './relu2.js';
import { siluRow } from './silu.js';

/** The names of the activations. */
export type FusedActivationName =
  | 'polynorm'
  | 'polyrelu'
  | 'relu'
  | 'relu2'
  | 'gelu'
  | 'silu'
  | 'polynormglu'
  | 'polyreluglu'
  | 'reglu'
  | 'geglu'
  | 'swiglu';

/** THE list of activations. Hosts, tests and benchmarks loop over it. */
export const activations: readonly FusedOp<FusedActivationName>[] = [
  polynormRow,
  polyreluRow,
  reluRow,
  relu2Row,
  geluRow,
  siluRow,
  polynormGluRow,
  polyreluGluRow,
  reGluRow,
  geGluRow,
  swiGluRow,
];

/** As tfjs kernels: the activations, and the packed forms of those that are gated. */
export const tfjsActivations: readonly FusedOp[] = activations.flatMap((row) =>
  row.inputs[0] === 'gate' ? [row, packedRow(row)] : [row],
);
