import { PolycomError } from '../common/errors.js';
import { checkNames, type Names } from '../common/options.js';
import { ArgumentBlock, allocate, allocateAligned, checkScalars, checkTensor } from './arguments.js';
import { HeldMemory } from './held.js';
import type { NativeLibrary } from './library.js';
import { DeviceMemory, dropStaging, isPinned } from './memory.js';
import { DeviceTensor } from './tensor.js';
import type { Device, IntegerTensor, Memory, NativeTensor } from './types.js';

/** What an op is given. */
export interface CallArguments<T extends NativeTensor = NativeTensor> {
  readonly inputs: readonly (T | IntegerTensor)[];
  /**
   * The outputs, or how many to allocate: 1 by default. They become typed arrays, or a {@link DeviceTensor} each on
   * CUDA and where an input is one.
   */
  readonly outputs?: readonly T[] | number;
  readonly scalars?: readonly number[];
  /** Memory on the queue's device, 16-byte aligned, for an op that needs some; allocated by default. */
  readonly workspace?: Memory;
}

const CALL: Names<CallArguments> = { inputs: true, outputs: true, scalars: true, workspace: true };

/** An op with its arguments checked and encoded: call `run` as often as you like. */
export interface PreparedCall<T extends NativeTensor = NativeTensor> {
  readonly outputs: readonly T[];
  /** Runs the op on what its inputs hold now. On CUDA it returns once the work is queued. */
  run(): void;
  /** Frees the workspace that was allocated for the call, and no tensor. */
  dispose(): void;
}

type QueueFunction = (queue: bigint) => number;

/** A device and its order of work. Made by {@link NativeLibrary.createQueue}. */
export class Queue {
  readonly native: NativeLibrary;
  readonly device: Device;
  /** The device's ordinal. */
  readonly index: number;
  /** Whether ops may be handed any typed array. */
  readonly #reachesHost: boolean;
  readonly #held: HeldMemory;
  #address: bigint | undefined;

  constructor(native: NativeLibrary, device: Device, index: number, address: bigint) {
    this.native = native;
    this.device = device;
    this.index = index;
    this.#address = address;
    this.#held = new HeldMemory(this);
    this.#reachesHost =
      native.function<QueueFunction>('pc_queue_reaches_host', 'int32_t', ['void *'])(address) !== 0;
  }

  /** The `pc_queue *`. Throws once the queue has been disposed. */
  get address(): bigint {
    if (this.#address !== undefined) return this.#address;
    throw new PolycomError('INVALID_ARGUMENT', 'this queue has been disposed', { remedy: 'create another' });
  }

  /**
   * Checks and encodes a call of an op, so that running it costs no more than the call itself.
   *
   * @param name an op of native/include/polycom.h: `polynorm_forward`
   * @param call its tensors and scalars, in the order that the header gives
   * @throws {PolycomError} `INVALID_ARGUMENT` for tensors that do not fit the op or their own memory
   */
  prepare(name: string, call: CallArguments<DeviceTensor>): PreparedCall<DeviceTensor>;
  prepare(name: string, call: CallArguments): PreparedCall;
  prepare(name: string, call: CallArguments): PreparedCall {
    checkNames(name, call, CALL);
    const { native } = this;
    const op = native.op(name);
    const { inputs, scalars = [], outputs: given = 1 } = call;
    const shapes = Object.fromEntries(inputs.map(({ shape }, i) => [`input ${i}`, shape]));
    for (const [i, tensor] of inputs.entries()) this.#checkTensor(name, `input ${i}`, tensor);
    checkScalars(name, scalars);
    const outputCount = checkOutputCount(name, typeof given === 'number' ? given : given.length);
    const block = new ArgumentBlock(inputs.length, outputCount, scalars);
    for (const [i, tensor] of inputs.entries()) block.setTensor(i, tensor);
    native.check(op.plan(this.address, block.address), name, shapes);
    const onDevice = this.device !== 'cpu' || inputs.some((input) => input instanceof DeviceTensor);
    const outputs = typeof given === 'number' ? this.#allocateOutputs(block, outputCount, onDevice) : given;
    outputs.forEach((tensor, i) => {
      this.#checkTensor(name, `output ${i}`, tensor);
      block.setTensor(inputs.length + i, tensor);
    });
    const workspace = this.#workspace(name, block, call.workspace);
    const memories = [...inputs, ...outputs].map(({ data }) => data);
    memories.push(workspace); // held by `run`, as the addresses in the block are not
    const sizes = memories.map(({ byteLength }) => byteLength);
    const reached = this.device === 'cpu' ? [] : memories.filter(ArrayBuffer.isView);
    const run = (): void => {
      for (let i = 0; i < memories.length; ++i) {
        if (memories[i]!.byteLength < sizes[i]!) throw detached(name);
      }
      const status = op.run(this.address, block.address);
      if (status !== 0) native.check(status, name, shapes);
      // The op reads and writes them some time after this.
      if (reached.length > 0) this.#held.hold(reached);
    };
    const dispose = (): void => {
      if (workspace instanceof DeviceMemory && workspace !== call.workspace) workspace.dispose();
    };
    return { outputs, run, dispose };
  }

  /** Prepares a call, runs it once and gives its outputs. */
  call(name: string, call: CallArguments<DeviceTensor>): readonly DeviceTensor[];
  call(name: string, call: CallArguments): readonly NativeTensor[];
  call(name: string, call: CallArguments): readonly NativeTensor[] {
    const prepared = this.prepare(name, call);
    try {
      prepared.run();
    } finally {
      prepared.dispose();
    }
    return prepared.outputs;
  }

  /** Waits until all work on the queue is done. Everything in the process waits with it: see {@link Queue.done}. */
  synchronize(): void {
    this.native.check(this.#function('pc_queue_synchronize')(this.address));
    this.#held.release();
  }

  /**
   * Resolves once the work queued so far is done. It takes no thread while it waits, and keeps the process alive.
   *
   * @throws {PolycomError} `DEVICE_ERROR` for work that failed; on CUDA `LIBRARY_NOT_FOUND` without the addon
   */
  async done(): Promise<void> {
    const { address, native } = this;
    if (this.device === 'cpu') return; // an op returns when it is done
    const waiting = native.addon.done(address);
    if (typeof waiting === 'number') return native.check(waiting);
    const status = await waiting;
    if (status === 0) return;
    this.synchronize(); // gives the failure with its text
    throw new PolycomError('DEVICE_ERROR', `work on ${this.device} ${this.index} failed`);
  }

  /** Waits, then frees the queue; tensors on it remain the caller's to free. Doing it again does nothing. */
  dispose(): void {
    if (this.#address === undefined) return;
    const address = this.#address;
    this.#address = undefined;
    dropStaging(this);
    this.native.check(this.#function('pc_queue_destroy')(address));
    this.#held.release();
  }

  #function(name: string): QueueFunction {
    return this.native.function<QueueFunction>(name, 'int32_t', ['void *']);
  }

  /** Checks a tensor, and that its memory is where this queue's ops can reach it. */
  #checkTensor(op: string, name: string, tensor: NativeTensor | IntegerTensor): void {
    checkTensor(op, name, tensor);
    this.#checkPlace(op, name, tensor.data);
  }

  #checkPlace(op: string, name: string, memory: Memory): void {
    const { device, index } = this;
    if (memory instanceof DeviceMemory) {
      const { queue } = memory;
      if (queue.device === device && queue.index === index) return;
      throw new PolycomError(
        'INVALID_ARGUMENT',
        `${name} is on ${queue.device} ${queue.index}; expected memory on ${device} ${index}`,
        { op },
      );
    }
    if (this.#reachesHost || !ArrayBuffer.isView(memory) || isPinned(memory.buffer)) return;
    throw new PolycomError(
      'INVALID_ARGUMENT',
      `${name} is a typed array, which ${device} ${index} cannot reach`,
      {
        op,
        remedy: 'copy it with DeviceTensor.fromArray',
      },
    );
  }

  #allocateOutputs(block: ArgumentBlock, count: number, onDevice: boolean): NativeTensor[] {
    return Array.from({ length: count }, (_, i) => {
      const { dtype, shape } = block.plannedOutput(i);
      return onDevice ? DeviceTensor.alloc(this, shape, dtype) : allocate(dtype, shape);
    });
  }

  #workspace(op: string, block: ArgumentBlock, given: Memory | undefined): Memory {
    const bytes = block.plannedWorkspace();
    if (bytes === 0) return NOTHING;
    const workspace =
      given ?? (this.device === 'cpu' ? allocateAligned(bytes) : DeviceMemory.allocate(this, bytes));
    if (workspace.byteLength < bytes) {
      throw new PolycomError(
        'INVALID_ARGUMENT',
        `the workspace has ${workspace.byteLength} bytes; expected at least ${bytes}`,
        { op },
      );
    }
    this.#checkPlace(op, 'the workspace', workspace);
    block.setWorkspace(workspace);
    return workspace;
  }
}

const NOTHING: Memory = { address: 0n, byteLength: 0 };

function checkOutputCount(op: string, count: number): number {
  if (Number.isInteger(count) && count >= 0 && count <= 1024) return count;
  throw new PolycomError('INVALID_ARGUMENT', `${count} outputs; expected a whole number up to 1024`, { op });
}

function detached(op: string): PolycomError {
  return new PolycomError('INVALID_ARGUMENT', 'a tensor has lost its memory since the call was prepared', {
    op,
    remedy: 'prepare the call again after disposing a tensor, or transferring or resizing a buffer',
  });
}
