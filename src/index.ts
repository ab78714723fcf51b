/**
 * Fused PolyCom activations for TensorFlow.js. Importing this initialises nothing: each op runs its fused kernel where
 * the active backend has one (`import 'polycom/tensorflow'` gives it to tfjs-node), else as a composition of tf ops.
 */
export { type PolyComCoefficients, polyComCoefficients } from './activations/coefficients.js';
export { type Gated, geGlu, polyNormGlu, polyReluGlu, reGlu, swiGlu } from './activations/gated.js';
export { type GeluApproximation, type GeluOptions, gelu } from './activations/gelu.js';
export type { ElementwiseInner } from './activations/inner.js';
export {
  type PolyComInner,
  type PolyComOptions,
  polyCom,
  polyPRelu,
  polyReluNorm,
} from './activations/polycom.js';
export { type Norm, type PolyNormOptions, polyNorm } from './activations/polynorm.js';
export { polyRelu } from './activations/polyrelu.js';
export { relu } from './activations/relu.js';
export { relu2 } from './activations/relu2.js';
export { silu } from './activations/silu.js';
export { PolycomError, type PolycomErrorCode, type PolycomErrorDetails } from './errors.js';
export { unfused } from './op/run.js';
