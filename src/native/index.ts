/** The C library, driven directly: no tfjs, no copies, outputs of your own. */
export { ABI_VERSION, findNative, loadNative, type NativeLibrary, type NativeOp } from './library.js';
export type { CallArguments, PreparedCall, Queue } from './queue.js';
export type { BuildInfo, Device, Dtype, Memory, NativeMissing, NativeTensor } from './types.js';
