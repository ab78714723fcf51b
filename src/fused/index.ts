/** The transformer's other fused ops. */
export { crossEntropy } from './crossentropy.js';
export { type AttentionOptions, attention } from './attention.js';
export { rmsNorm } from './rmsnorm.js';
