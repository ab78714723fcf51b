import type { Op } from '../op/types.js';
import { attentionOp } from './attention.js';
import { crossentropyOp } from './crossentropy.js';
import { dropoutOp } from './dropout.js';
import { embeddingOp } from './embedding.js';
import { groupedpolynormgluOp, groupedpolynormOp } from './groupedpolynorm.js';
import { addrmsnormOp, rmsnormOp } from './rmsnorm.js';
import { rotaryOp } from './rotary.js';

/** The names of the transformer's other ops. */
export type TransformerOpName =
  | 'rmsnorm'
  | 'addrmsnorm'
  | 'attention'
  | 'crossentropy'
  | 'embedding'
  | 'rotary'
  | 'dropout'
  | 'groupedpolynorm'
  | 'groupedpolynormglu';

/** THE table of the transformer's other ops. Hosts and tests loop over it. */
export const transformerOps: { readonly [Name in TransformerOpName]: Op<Name> } = {
  rmsnorm: rmsnormOp,
  addrmsnorm: addrmsnormOp,
  attention: attentionOp,
  crossentropy: crossentropyOp,
  embedding: embeddingOp,
  rotary: rotaryOp,
  dropout: dropoutOp,
  groupedpolynorm: groupedpolynormOp,
  groupedpolynormglu: groupedpolynormgluOp,
};
