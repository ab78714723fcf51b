/** The transformer's other fused ops. */
export { crossEntropy } from './crossentropy.js';
export { rmsNorm } from './rmsnorm.js';
