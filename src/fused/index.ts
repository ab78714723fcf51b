/** The transformer's other fused ops. */
export { rmsNorm } from './rmsnorm.js';
