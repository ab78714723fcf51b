import * as tf from '@tensorflow/tfjs-core';

/** The part of tfjs's engine that knows every tensor. */
interface Engine {
  state: { tensorInfo: TensorInfos };
  runKernel: (name: string, inputs: tf.NamedTensorMap, attrs?: tf.NamedAttrMap) => tf.Tensor | tf.Tensor[];
}

interface TensorInfos {
  get(id: object): { readonly bytes: number } | undefined;
  set(id: object, info: { readonly bytes: number }): unknown;
  has(id: object): boolean;
  delete(id: object): boolean;
}

/** How much memory a run's tensors took. */
export interface PeakMemory {
  /** The most that was live at once, in bytes, beyond what was live before. */
  readonly peakBytes: number;
  /** What is live after it, likewise. */
  readonly leftBytes: number;
}

/**
 * Runs f and counts the memory of the tensors that it makes, on any backend: buffers, not tensors, so that a reshaped
 * or cloned tensor costs nothing. What kernels take for themselves while they run is not seen.
 *
 * @param f synchronous; what it returns is disposed of by the caller, and counts as left. It is given a function that
 *   tells how many bytes are live at that moment, beyond what was live before
 */
export function measurePeak<T>(f: (live: () => number) => T): PeakMemory & { readonly result: T } {
  tf.backend(); // chooses one, if none is chosen
  const engine = tf.engine() as unknown as Engine;
  const { tensorInfo } = engine.state;
  const buffers = new Buffers();
  engine.state.tensorInfo = {
    get: (id) => tensorInfo.get(id),
    has: (id) => tensorInfo.has(id),
    set: (id, info) => {
      buffers.add(id, info.bytes);
      return tensorInfo.set(id, info);
    },
    delete: (id) => {
      buffers.remove(id);
      return tensorInfo.delete(id);
    },
  };
  const { runKernel } = engine;
  engine.runKernel = (name, inputs, attrs) => {
    const outer = buffers.source;
    buffers.source = name === 'Reshape' ? inputs.x!.dataId : undefined;
    try {
      return runKernel.call(engine, name, inputs, attrs);
    } finally {
      buffers.source = outer;
    }
  };
  try {
    const result = f(() => buffers.live);
    return { result, peakBytes: buffers.peak, leftBytes: buffers.live };
  } finally {
    engine.runKernel = runKernel;
    engine.state.tensorInfo = tensorInfo;
  }
}

/** Memory by what it is known as. A reshaped tensor may go by another name than its source (tfjs-node). */
class Buffers {
  live = 0;
  peak = 0;
  /** While a reshape runs: what its result shares the memory of. */
  source: object | undefined;
  readonly #buffers = new Map<object, { bytes: number; names: number }>();

  add(id: object, bytes: number): void {
    const shared = this.source === undefined ? undefined : this.#sourceOf(this.source, bytes);
    if (shared !== undefined) {
      ++shared.names;
      this.#buffers.set(id, shared);
      return;
    }
    this.#buffers.set(id, { bytes, names: 1 });
    this.live += bytes;
    this.peak = Math.max(this.peak, this.live);
  }

  remove(id: object): void {
    const buffer = this.#buffers.get(id);
    if (buffer === undefined) return; // of a tensor from before
    this.#buffers.delete(id);
    if (--buffer.names === 0) this.live -= buffer.bytes;
  }

  #sourceOf(id: object, bytes: number): { bytes: number; names: number } | undefined {
    const buffer = this.#buffers.get(id);
    // Another size: the shape that the kernel is told, which is a tensor too.
    if (buffer !== undefined) return buffer.bytes === bytes ? buffer : undefined;
    return { bytes: 0, names: 0 }; // of a tensor from before, whose memory is not counted
  }
}
