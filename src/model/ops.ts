export { attention, attentionOp } from '../fused/attention.js';
export { addrmsnormOp, rmsNorm, rmsnormOp } from '../fused/rmsnorm.js';
export { runBackward, runForward } from '../fused/run.js';
export * from './standin.js';
