/** The C library, driven directly: no tfjs, no copies, tensors on a device of your own. */
export { allocatePinned, type DeviceMemory } from '../device/memory.js';
export { type ArrayOf, DeviceTensor, type TensorValues } from '../device/tensor.js';
export {
  ABI_VERSION,
  findNative,
  loadNative,
  type NativeLibrary,
  type NativeOp,
  type QueueOptions,
} from './library.js';
export type { CallArguments, PreparedCall, Queue } from './queue.js';
export type {
  BuildInfo,
  Device,
  Dtype,
  ElementType,
  IntegerTensor,
  Memory,
  NativeMissing,
  NativeTensor,
} from './types.js';
