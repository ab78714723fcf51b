import type { Op } from '../op/types.js';
import { geGluRow, polynormGluRow, polyreluGluRow, reGluRow } from './gated.js';
import { geluRow } from './gelu.js';
import { polynormRow } from './polynorm.js';
import { polyreluRow } from './polyrelu.js';
import { powLuRow } from './powlu.js';
import { reluRow } from './relu.js';
import { relu2Row } from './relu2.js';
import { siluRow } from './silu.js';
import { situGluRow } from './situglu.js';
import { swiGluRow } from './swiglu.js';
import { xieluRow } from './xielu.js';

// The functions of the rows, which are the package's.
export { type Gated, geGlu, polyNormGlu, polyReluGlu, reGlu } from './gated.js';
export { type GeluApproximation, type GeluOptions, gelu } from './gelu.js';
export { type Norm, type PolyNormOptions, polyNorm } from './polynorm.js';
export { polyRelu } from './polyrelu.js';
export { type PowLuOptions, powLu } from './powlu.js';
export { relu } from './relu.js';
export { type Relu2Options, relu2 } from './relu2.js';
export { silu } from './silu.js';
export { type SituGluOptions, situGlu } from './situglu.js';
export { type SwiGluClamp, type SwiGluOptions, swiGlu } from './swiglu.js';
export { type XieluOptions, type XieluParameters, xielu, xieluParameters } from './xielu.js';

/** The names of the activations. */
export type ActivationName =
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
  | 'swiglu'
  | 'situglu'
  | 'powlu'
  | 'xielu';

/** THE table of activations. Hosts, tests and benchmarks loop over it. */
export const activations: { readonly [Name in ActivationName]: Op<Name> } = {
  polynorm: polynormRow,
  polyrelu: polyreluRow,
  relu: reluRow,
  relu2: relu2Row,
  gelu: geluRow,
  silu: siluRow,
  polynormglu: polynormGluRow,
  polyreluglu: polyreluGluRow,
  reglu: reGluRow,
  geglu: geGluRow,
  swiglu: swiGluRow,
  situglu: situGluRow,
  powlu: powLuRow,
  xielu: xieluRow,
};

/** The rows of the table, in its order. */
export const activationRows: readonly Op<ActivationName>[] = Object.values(activations);
