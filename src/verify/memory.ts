import { decode, encode, type Stored } from '../native/dtype.js';
import type { Queue } from '../native/queue.js';
import { DeviceTensor } from '../native/tensor.js';
import type { Dtype, IntegerTensor, NativeTensor } from '../native/types.js';

/** Memory that a queue's ops can use. */
export interface TensorMemory {
  place(values: Float32Array, dtype: Dtype, shape: readonly number[]): NativeTensor;
  placeWhole(values: Int32Array, shape: readonly number[]): IntegerTensor;
  read(tensor: NativeTensor): Float32Array;
  free(tensors: readonly (NativeTensor | IntegerTensor)[]): void;
}

/** Typed arrays. */
export function hostMemory(): TensorMemory {
  return {
    place: (values, dtype, shape) => {
      const data = dtype === 'f32' ? new Float32Array(values.length) : new Uint16Array(values.length);
      encode(values, dtype, data);
      return { data, dtype, shape };
    },
    placeWhole: (data, shape) => ({ data, shape, dtype: 'i32' }),
    read: ({ data, dtype = 'f32' }) => decode(data as Stored, dtype),
    free: () => undefined,
  };
}

/** Tensors on the queue's device. @throws {PolycomError} where there is no addon to own device memory */
export function deviceMemory(queue: Queue): TensorMemory {
  DeviceTensor.alloc(queue, [1]).dispose();
  return {
    place: (values, dtype, shape) => DeviceTensor.fromArray(queue, values, shape, dtype),
    placeWhole: (values, shape) => DeviceTensor.fromArray(queue, values, shape, 'i32'),
    read: (tensor) => (tensor as DeviceTensor).toArraySync(),
    free: (tensors) => {
      for (const tensor of tensors as readonly DeviceTensor[]) tensor.dispose();
    },
  };
}
