/**
 * Fused PolyCom activations for TensorFlow.js. Importing this initialises nothing: each op runs its fused kernel where
 * the active backend has one (`import 'polycom/tensorflow'` gives it to tfjs-node), else as a composition of tf ops.
 */
export { type PolyComCoefficients, polyComCoefficients } from './activations/coefficients.js';
export type { ElementwiseInner } from './activations/inner.js';
export {
  type PolyComInner,
  type PolyComOptions,
  polyCom,
  polyPRelu,
  polyReluNorm,
} from './activations/polycom.js';
export { type ActivationReference, referenceOf } from './activations/reference.js';
export * from './activations/table.js';
export { PolycomError, type PolycomErrorCode, type PolycomErrorDetails } from './common/errors.js';
export { unfused } from './op/run.js';
