import type { FusedOp } from '../op/types.js';
import { polynormRow } from './polynorm.js';
import { polyreluRow } from './polyrelu.js';
import { relu2Row } from './relu2.js';

/** THE list of activations. Hosts, tests and benchmarks loop over it. */
export const activations: readonly FusedOp[] = [polynormRow, polyreluRow, relu2Row];
