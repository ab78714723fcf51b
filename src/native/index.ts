/** The C library, driven directly: no tfjs, no copies, tensors on a device of your own. */

export { decodeHalves, encodeHalves, type HalfDtype, rounded } from './dtype.js';
export { DeviceEvent } from './event.js';
export {
  ABI_VERSION,
  findNative,
  loadNative,
  type NativeLibrary,
  type NativeOp,
  type QueueOptions,
} from './library.js';
export { allocatePinned, type DeviceMemory } from './memory.js';
export type { CallArguments, PreparedCall, Queue } from './queue.js';
export { type ArrayOf, DeviceTensor, type TensorValues } from './tensor.js';
export type {
  BuildInfo,
  Device,
  DeviceInfo,
  Dtype,
  ElementType,
  IntegerTensor,
  Memory,
  NativeMissing,
  NativeTensor,
} from './types.js';
