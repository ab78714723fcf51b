import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { activationRows } from '../activations/table.js';
import { ITEM_BYTES } from '../native/dtype.js';
import { findNative, type NativeLibrary } from '../native/library.js';
import type { Device, Dtype } from '../native/types.js';
import { type Contender, type Measured, measure } from './contender.js';
import { BenchData } from './data.js';
import { DeviceBench, deviceContender } from './device.js';
import { cachedRates } from './l1.js';
import { cacheBytes } from './machine.js';
import { hostContender, OutputBuffers } from './native.js';
import { relate } from './ratios.js';
import type { TimingEffort } from './sampling.js';
import { shapeName } from './shapes.js';
import {
  allocatorOfProcess,
  SharedTensors,
  type TensorflowPass,
  tensorflowContenders,
} from './tensorflow.js';
import type { BenchDevice, RowIdentity, Shape } from './types.js';
import { opWorks, type Work, yardstickWorks } from './work.js';

/** What a part of the benchmark measures. */
export interface Job {
  readonly shapes: readonly Shape[];
  readonly dtype: Dtype;
  readonly effort: TimingEffort;
}

/** Told which contenders are at work, and what they do. */
export type OnStep = (group: string, step: string) => void;

/** What rows call a device of a library's. */
export function deviceName(native: NativeLibrary, device: Device): BenchDevice {
  return device === 'cuda' && native.emulated ? 'emulated' : device;
}

/** The kernels on a device, driven directly, forward and backward; a copy, and streams with their reads and writes. */
export function measureNative(
  native: NativeLibrary,
  device: Device,
  { shapes, dtype, effort }: Job,
  onStep: OnStep,
): Measured {
  const queue = native.createQueue({ device });
  const named = deviceName(native, device);
  const cached = cachedRates(native, dtype, availableParallelism());
  try {
    return each(shapes, (shape) => {
      const data = new BenchData(shape, dtype);
      const ops = opWorks(activationRows, data, named);
      const beside = { backend: 'native', device: named } as const;
      const works = [...ops, ...yardsticksFor(ops, data, beside)];
      const group = `driven directly, ${shapeName(shape)} ${dtype}, ${named}`;
      if (device === 'cpu') {
        const outputs = new OutputBuffers();
        const contenders = works.map((work) => hostContender(queue, work, outputs, cached));
        return together(contenders, effort, group, onStep);
      }
      const bench = new DeviceBench(queue, shape.rows * shape.cols * ITEM_BYTES[dtype]);
      try {
        const contenders = works.map((work) => deviceContender(bench, work));
        return together(contenders, effort, group, onStep, bench.coldBytes);
      } finally {
        bench.dispose();
      }
    });
  } finally {
    queue.dispose();
  }
}

function yardsticksFor(
  contenders: readonly Pick<Contender, 'identity'>[],
  data: BenchData,
  beside: Pick<RowIdentity, 'device' | 'backend' | 'allocator'>,
): Work[] {
  return yardstickWorks(
    data,
    beside,
    contenders.map(({ identity }) => identity.traffic),
  );
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
  const device = tensorflowDevice(native);
  // A GPU's memory is TensorFlow's, most of it: there is no room for yardsticks beside it.
  const queue = device === 'cpu' ? native?.createQueue() : undefined;
  const beside = { backend: 'tensorflow', device, allocator: allocatorOfProcess() } as const;
  try {
    return each(shapes, (shape) => {
      const data = new BenchData(shape, dtype);
      const tensors = new SharedTensors();
      try {
        const contenders = tensorflowContenders(activationRows, passes, { data, tensors, device });
        if (queue !== undefined) {
          const outputs = new OutputBuffers();
          const works = yardsticksFor(contenders, data, beside);
          contenders.push(...works.map((work) => hostContender(queue, work, outputs)));
        }
        return together(contenders, effort, `in tfjs-node, ${shapeName(shape)}, ${device}`, onStep);
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
  return undefined;
}

/** Where the active backend runs ops. With the emulated library tfjs-node's GPU is the tests'. */
export function tensorflowDevice(native: NativeLibrary | undefined): BenchDevice {
  const { isUsingGpuDevice = false } = tf.backend() as { isUsingGpuDevice?: boolean };
  if (!isUsingGpuDevice) return 'cpu';
  return native === undefined ? 'cuda' : deviceName(native, 'cuda');
}

/** As {@link tensorflowDevice}, and what a row says of it. */
export function placeOfRows(): Pick<RowIdentity, 'device' | 'allocator'> {
  const native = findNative();
  const device = tensorflowDevice(native.found ? native : undefined);
  return device === 'cpu' ? { device, allocator: allocatorOfProcess() } : { device };
}

/** The version of tfjs. */
export const tfjsVersion: string = tf.version_core;

function each(shapes: readonly Shape[], measureShape: (shape: Shape) => Measured): Measured {
  const all = shapes.map(measureShape);
  return { rows: all.flatMap(({ rows }) => rows), notes: all.flatMap(({ notes }) => notes) };
}

function together(
  contenders: readonly Contender[],
  effort: TimingEffort,
  group: string,
  onStep: OnStep,
  cache: number = cacheBytes(),
): Measured {
  onStep(group, 'preparing');
  const { rows, notes } = measure(contenders, effort, (step) => onStep(group, step));
  return { rows: relate(rows, cache), notes };
}
