import * as tf from '@tensorflow/tfjs-core';
import { activations } from '../activations/table.js';
import type { NativeLibrary } from '../native/library.js';
import type { Dtype } from '../native/types.js';
import { type Contender, type Measured, measure } from './contender.js';
import { BenchData } from './data.js';
import { cacheBytes } from './machine.js';
import { copyContenders, nativeContenders, Outputs } from './native.js';
import { relate } from './ratios.js';
import type { Effort } from './sampling.js';
import { shapeName } from './shapes.js';
import {
  allocatorOfProcess,
  SharedTensors,
  type TensorflowPass,
  tensorflowContenders,
} from './tensorflow.js';
import type { Shape } from './types.js';

/** What a part of the benchmark measures. */
export interface Job {
  readonly shapes: readonly Shape[];
  readonly dtype: Dtype;
  readonly effort: Effort;
}

/** Told which contenders are at work, and what they do. */
export type OnStep = (group: string, step: string) => void;

/** The kernels, driven directly, forward and backward; and a copy. */
export function measureNative(
  native: NativeLibrary,
  { shapes, dtype, effort }: Job,
  onStep: OnStep,
): Measured {
  const queue = native.createQueue();
  try {
    return each(shapes, (shape) => {
      const data = new BenchData(shape, dtype);
      const outputs = new Outputs();
      const contenders = [
        ...nativeContenders(queue, activations, data, outputs),
        ...copyContenders(queue, data, outputs, { backend: 'native' }),
      ];
      return together(contenders, effort, `driven directly, ${shapeName(shape)} ${dtype}`, onStep);
    });
  } finally {
    queue.dispose();
  }
}

/**
 * The ops inside tfjs-node, fused, composed and stock; and, where there is a native library, a copy.
 * TensorFlow's backend must be the active one.
 */
export function measureTensorflow(
  native: NativeLibrary | undefined,
  { shapes, dtype, effort }: Job,
  passes: readonly TensorflowPass[],
  onStep: OnStep,
): Measured {
  const queue = native?.createQueue();
  const beside = { backend: 'tensorflow', allocator: allocatorOfProcess() } as const;
  try {
    return each(shapes, (shape) => {
      const data = new BenchData(shape, dtype);
      const tensors = new SharedTensors();
      try {
        const contenders = tensorflowContenders(activations, passes, data, tensors);
        if (queue !== undefined) contenders.push(...copyContenders(queue, data, new Outputs(), beside));
        return together(contenders, effort, `in tfjs-node, ${shapeName(shape)}`, onStep);
      } finally {
        tensors.dispose();
      }
    });
  } finally {
    queue?.dispose();
  }
}

/** Makes tfjs-node the active backend; or says why that cannot be measured. */
export async function activateTensorflow(): Promise<string | undefined> {
  if (tf.findBackend('tensorflow') === null || !(await tf.setBackend('tensorflow'))) {
    return 'tfjs-node uses another tfjs-core than this package';
  }
  const { isUsingGpuDevice } = tf.backend() as { isUsingGpuDevice?: boolean };
  if (!isUsingGpuDevice) return undefined;
  return 'TensorFlow runs on a GPU here, for which this benchmark would have to wait; CUDA_VISIBLE_DEVICES= hides it';
}

/** The version of tfjs. */
export const tfjsVersion: string = tf.version_core;

function each(shapes: readonly Shape[], measureShape: (shape: Shape) => Measured): Measured {
  const all = shapes.map(measureShape);
  return { rows: all.flatMap(({ rows }) => rows), notes: all.flatMap(({ notes }) => notes) };
}

function together(contenders: Contender[], effort: Effort, group: string, onStep: OnStep): Measured {
  onStep(group, 'preparing');
  const { rows, notes } = measure(contenders, effort, (step) => onStep(group, step));
  return { rows: relate(rows, cacheBytes()), notes };
}
