/** The transformer's other fused ops. */
export { type AttentionOptions, attention } from './attention.js';
export { rmsNorm } from './rmsnorm.js';
