import { ITEM_BYTES, STORAGE, type Stored, sizeOf } from '../native/dtype.js';
import { DeviceEvent } from '../native/event.js';
import { copyMemory } from '../native/memory.js';
import type { PreparedCall, Queue } from '../native/queue.js';
import { DeviceTensor } from '../native/tensor.js';
import type { Contender } from './contender.js';
import type { BenchTensor } from './data.js';
import { percentile, round } from './statistics.js';
import { bytesView, type Work } from './work.js';

/** How many times the L2 cache the tensors must hold that calls take in turns, for each call to find it cold. */
const COLD = 4;
const MOST_SETS = 16;
/** Calls that a sample is of, at most: fewer than a stream takes before it makes the host wait. */
const MOST_CALLS = 64;
const MOST_FILLERS = 128;
/** Of a device that does not say. */
const USUAL_L2 = 64 << 20;
const FILLER_BYTES = 256 << 20;

/**
 * A GPU's tensors of one shape: several sets of each, so many that the calls, which take them in turns, find none of
 * them in the cache. It times calls by the device's own clock.
 */
export class DeviceBench {
  readonly queue: Queue;
  readonly sets: number;
  /** Tensors of fewer bytes than this are found in the cache in spite of the turns. */
  readonly coldBytes: number;
  readonly #tensors = new Map<BenchTensor, DeviceTensor[]>();
  readonly #outputs = new Map<string, DeviceTensor[]>();
  readonly #begun: DeviceEvent;
  readonly #ended: DeviceEvent;
  readonly #filler: readonly DeviceTensor[];
  readonly #fill: PreparedCall<DeviceTensor>;
  readonly #fillMs: number;

  /** @param matrixBytes of the matrices that the calls are given */
  constructor(queue: Queue, matrixBytes: number) {
    this.queue = queue;
    const { l2_bytes = USUAL_L2, memory_bytes = 1 << 30 } = queue.native.deviceInfo(
      queue.device,
      queue.index,
    );
    // A copy, the least of the calls, touches two matrices a set.
    const wanted = Math.ceil((COLD * l2_bytes) / (2 * matrixBytes));
    this.sets = Math.min(MOST_SETS, Math.max(2, wanted));
    this.coldBytes = (COLD * l2_bytes) / this.sets;
    this.#begun = new DeviceEvent(queue);
    this.#ended = new DeviceEvent(queue);
    const bytes = queue.native.emulated ? 1 << 16 : Math.min(FILLER_BYTES, memory_bytes / 32);
    this.#filler = [0, 1].map(() => DeviceTensor.alloc(queue, [Math.floor(bytes / 4)]));
    const [from, to] = this.#filler as [DeviceTensor, DeviceTensor];
    this.#fill = queue.prepare('copy', { inputs: [from], outputs: [to], scalars: [0] });
    this.#fillMs = [0, 1].map(() => this.#timed(() => this.#fill.run())).at(-1)!;
  }

  /** A tensor of the host's on the device, once a set. */
  input(tensor: BenchTensor): readonly DeviceTensor[] {
    let made = this.#tensors.get(tensor);
    if (made === undefined) {
      made = this.#alloc(tensor);
      this.#tensors.set(tensor, made);
      for (const each of made) copyMemory(this.queue, each.data, bytesView(tensor.data));
      this.queue.synchronize();
    }
    return made;
  }

  /** Tensors to write, which contenders share, as only one runs at a time: once a set. */
  output(place: number, like: Pick<BenchTensor, 'shape' | 'dtype'>): readonly DeviceTensor[] {
    const key = [place, like.dtype, ...like.shape].join();
    let made = this.#outputs.get(key);
    if (made === undefined) {
      made = this.#alloc(like);
      this.#outputs.set(key, made);
    }
    return made;
  }

  /**
   * What some calls take of the device, and of the host until they are queued, in milliseconds. The device is kept busy
   * meanwhile, so that it never waits for the host.
   *
   * @param hostMs about what they take of the host
   */
  time(calls: () => void, hostMs: number): { readonly device: number; readonly host: number } {
    const fillers = Math.min(MOST_FILLERS, Math.ceil((2 * hostMs) / Math.max(this.#fillMs, 1e-3)));
    for (let i = 0; i < fillers; ++i) this.#fill.run();
    let host = 0;
    const device = this.#timed(() => {
      const began = performance.now();
      calls();
      host = performance.now() - began;
    });
    return { device, host };
  }

  dispose(): void {
    for (const tensors of [...this.#tensors.values(), ...this.#outputs.values(), this.#filler])
      for (const tensor of tensors) tensor.dispose();
    this.#begun.dispose();
    this.#ended.dispose();
  }

  #timed(calls: () => void): number {
    this.#begun.record();
    calls();
    this.#ended.record();
    this.queue.synchronize();
    return this.#ended.since(this.#begun);
  }

  #alloc({ shape, dtype }: Pick<BenchTensor, 'shape' | 'dtype'>): DeviceTensor[] {
    const made: DeviceTensor[] = [];
    try {
      while (made.length < this.sets) made.push(DeviceTensor.alloc(this.queue, shape, dtype));
    } catch (error) {
      for (const tensor of made) tensor.dispose();
      throw error;
    }
    return made;
  }
}

/** A call on a GPU's tensors, timed by its clock; what a call takes of the host stands beside that. */
export function deviceContender(bench: DeviceBench, work: Work): Contender {
  const { queue, sets } = bench;
  let calls: PreparedCall<DeviceTensor>[] = [];
  let turn = 0;
  let launches = 1;
  const host: number[] = [];
  const run = (): void => calls[turn++ % sets]!.run();
  return {
    identity: work.identity,
    bytes: work.bytes,
    check: () => {
      const inputs = work.inputs().map((tensor) => bench.input(tensor));
      const outputs = work.outputs().map((like, i) => bench.output(i, like));
      const { native, scalars } = work;
      calls = Array.from({ length: sets }, (_, set) =>
        queue.prepare(native, {
          inputs: inputs.map((tensors) => tensors[set]!),
          outputs: outputs.map((tensors) => tensors[set]!),
          scalars,
        }),
      );
      const [first, ...others] = calls.map((call) => {
        for (const tensor of call.outputs) fill(tensor);
        call.run();
        return call.outputs.map(download);
      });
      const wrong = work.wrong(first!);
      if (wrong !== undefined) return wrong;
      // All sets hold the same.
      const same = (other: readonly Stored[]) =>
        other.every((output, i) => Buffer.compare(bytesView(output), bytesView(first![i]!)) === 0);
      return others.every(same) ? undefined : 'the same inputs elsewhere in memory give other bits';
    },
    run,
    sampler: (asked) => {
      launches = Math.min(asked, MOST_CALLS);
      const before = host.at(-1) ?? 0.02;
      const took = bench.time(() => {
        for (let i = 0; i < launches; ++i) run();
      }, launches * before);
      host.push(took.host / launches);
      return took.device / launches;
    },
    about: () => ({ timing: 'device', launches, ms_call: round(percentile(host, 0.5)) }),
    dispose: () => {
      for (const call of calls) call.dispose();
    },
  };
}

/** Every element NaN. */
function fill({ queue, data }: DeviceTensor): void {
  copyMemory(queue, data, new Uint8Array(data.byteLength).fill(0xff));
  queue.synchronize();
}

function download({ queue, data, dtype, shape }: DeviceTensor): Stored {
  const bytes = new Uint8Array(sizeOf(shape) * ITEM_BYTES[dtype]);
  copyMemory(queue, bytes, data);
  queue.synchronize();
  return new STORAGE[dtype](bytes.buffer);
}
