/** The transformer's other fused ops. */
export { type AttentionOptions, attention } from './attention.js';
export { crossEntropy } from './crossentropy.js';
export { type DropoutOptions, dropout } from './dropout.js';
export { embedding } from './embedding.js';
export { type GroupedPolyNormOptions, groupedPolyNorm, groupedPolyNormGlu } from './groupedpolynorm.js';
export { type RmsNormOptions, rmsNorm } from './rmsnorm.js';
export { type RotaryTableOptions, rotary, rotaryTable } from './rotary.js';
