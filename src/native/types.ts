/** A kind of device. */
export type Device = 'cpu' | 'cuda';

/** How a tensor's elements are stored. Arithmetic is f32 whatever the storage. */
export type Dtype = 'f32' | 'f16' | 'bf16';

/** All that a tensor's elements may be: floats in some storage, or whole numbers of 32 bits, as ids and positions are. */
export type ElementType = Dtype | 'i32';

/** Memory that native code may read and write: a typed array or buffer, or an address on a device. */
export type Memory = ArrayBufferView | { readonly address: bigint; readonly byteLength: number };

/** A tensor that native code can reach without a copy. */
export interface NativeTensor {
  /** On the queue's device. Float32Array for f32, Uint16Array for f16 and bf16. */
  readonly data: Memory;
  readonly shape: readonly number[];
  /** In elements, one an axis; contiguous by default. */
  readonly strides?: readonly number[];
  /** f32 by default. */
  readonly dtype?: Dtype;
}

/** Whole numbers, such as ids and positions: an op's input. */
export interface IntegerTensor {
  /** On the queue's device: an Int32Array on the CPU. */
  readonly data: Memory;
  readonly shape: readonly number[];
  /** In elements, one an axis; contiguous by default. */
  readonly strides?: readonly number[];
  readonly dtype: 'i32';
}

/** What a library says of itself. */
export interface BuildInfo {
  readonly version: string;
  /** Whether it holds CUDA kernels. */
  readonly cuda: boolean;
  /** The CUDA architectures it was compiled for, as CMake names them: `80-real,90-real,100`. */
  readonly cuda_architectures: string;
  /** The instruction set that the CPU kernels use: `avx512`, `avx2` or `baseline`; on 64-bit Arm, `neon`. */
  readonly simd: string;
  /** The CPUs that this process may use. */
  readonly cpus: number;
}

/** What a device says of itself: of the CPU, a name alone. */
export interface DeviceInfo {
  readonly name: string;
  /** 90 for 9.0. */
  readonly architecture?: number;
  readonly multiprocessors?: number;
  readonly l2_bytes?: number;
  readonly memory_bytes?: number;
}

/** Why there is no native library, and what to do about it. */
export interface NativeMissing {
  readonly found: false;
  readonly reason: string;
  readonly remedy: string;
}
