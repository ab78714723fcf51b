import { attentionOp } from './attention.js';
import { crossentropyOp } from './crossentropy.js';
import { dropoutOp } from './dropout.js';
import { embeddingOp } from './embedding.js';
import { groupedpolynormgluOp, groupedpolynormOp } from './groupedpolynorm.js';
import { addrmsnormOp, rmsnormOp } from './rmsnorm.js';
import { rotaryOp } from './rotary.js';
import type { TransformerOp } from './types.js';

/** THE list of the transformer's other fused ops. Hosts and tests loop over it. */
export const fusedOps: readonly TransformerOp[] = [
  rmsnormOp,
  addrmsnormOp,
  attentionOp,
  crossentropyOp,
  embeddingOp,
  rotaryOp,
  dropoutOp,
  groupedpolynormOp,
  groupedpolynormgluOp,
];
