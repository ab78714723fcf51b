import { PolycomError } from '../errors.js';
import { ArgumentBlock, allocate, allocateAligned, checkScalars, checkTensor } from './arguments.js';
import type { NativeLibrary } from './library.js';
import type { Device, Memory, NativeTensor } from './types.js';

/** What an op is given. */
export interface CallArguments {
  readonly inputs: readonly NativeTensor[];
  /** The outputs; or, on the CPU, how many to allocate: 1 by default. */
  readonly outputs?: readonly NativeTensor[] | number;
  readonly scalars?: readonly number[];
  /** CUDA, where the op needs one: memory on the device, 16-byte aligned. */
  readonly workspace?: Memory;
}

/** An op with its arguments checked and encoded: call `run` as often as you like. */
export interface PreparedCall {
  readonly outputs: readonly NativeTensor[];
  /** Runs the op on what its inputs hold now. On CUDA it returns once the work is queued. */
  run(): void;
}

/** A device and its order of work. Made by {@link NativeLibrary.createQueue}. */
export class Queue {
  readonly device: Device;
  readonly #native: NativeLibrary;
  #address: bigint | undefined;

  constructor(native: NativeLibrary, device: Device, address: bigint) {
    this.#native = native;
    this.device = device;
    this.#address = address;
  }

  /**
   * Checks and encodes a call of an op, so that running it costs no more than the call itself.
   *
   * @param name an op of native/include/polycom.h: `polynorm_forward`
   * @param call its tensors and scalars, in the order that the header gives
   * @throws {PolycomError} `INVALID_ARGUMENT` for tensors that do not fit the op or their own memory
   */
  prepare(name: string, call: CallArguments): PreparedCall {
    const native = this.#native;
    const op = native.op(name);
    const { inputs, scalars = [], outputs: given = 1 } = call;
    const shapes = Object.fromEntries(inputs.map(({ shape }, i) => [`input ${i}`, shape]));
    for (const [i, tensor] of inputs.entries()) checkTensor(name, `input ${i}`, tensor);
    checkScalars(name, scalars);
    const outputCount = checkOutputCount(name, typeof given === 'number' ? given : given.length);
    const block = new ArgumentBlock(inputs.length, outputCount, scalars);
    for (const [i, tensor] of inputs.entries()) block.setTensor(i, tensor);
    native.check(op.plan(this.#alive(), block.address), name, shapes);
    const outputs = typeof given === 'number' ? this.#allocateOutputs(name, block, outputCount) : given;
    outputs.forEach((tensor, i) => {
      checkTensor(name, `output ${i}`, tensor);
      block.setTensor(inputs.length + i, tensor);
    });
    const workspace = this.#workspace(name, block, call.workspace);
    const memories = [...inputs, ...outputs].map(({ data }) => data);
    memories.push(workspace); // held by `run`, as the addresses in the block are not
    const sizes = memories.map(({ byteLength }) => byteLength);
    const run = (): void => {
      for (let i = 0; i < memories.length; ++i) {
        if (memories[i]!.byteLength < sizes[i]!) throw detached(name);
      }
      const status = op.run(this.#alive(), block.address);
      if (status !== 0) native.check(status, name, shapes);
    };
    return { outputs, run };
  }

  /** Prepares a call, runs it once and gives its outputs. */
  call(name: string, call: CallArguments): readonly NativeTensor[] {
    const prepared = this.prepare(name, call);
    prepared.run();
    return prepared.outputs;
  }

  /** Waits until all work on the queue is done. */
  synchronize(): void {
    const synchronize = this.#native.function<(queue: bigint) => number>('pc_queue_synchronize', 'int32_t', [
      'void *',
    ]);
    this.#native.check(synchronize(this.#alive()));
  }

  /** Waits, then frees the queue. Doing it again does nothing. */
  dispose(): void {
    if (this.#address === undefined) return;
    const destroy = this.#native.function<(queue: bigint) => number>('pc_queue_destroy', 'int32_t', [
      'void *',
    ]);
    const address = this.#address;
    this.#address = undefined;
    this.#native.check(destroy(address));
  }

  #allocateOutputs(name: string, block: ArgumentBlock, count: number): NativeTensor[] {
    if (this.device !== 'cpu') {
      throw new PolycomError(
        'INVALID_ARGUMENT',
        `the outputs are missing; on ${this.device} they must be given`,
        {
          op: name,
        },
      );
    }
    return Array.from({ length: count }, (_, i) => {
      const { dtype, shape } = block.plannedOutput(i);
      return allocate(dtype, shape);
    });
  }

  #workspace(name: string, block: ArgumentBlock, given: Memory | undefined): Memory {
    const bytes = block.plannedWorkspace();
    if (bytes === 0) return NOTHING;
    const workspace = given ?? (this.device === 'cpu' ? allocateAligned(bytes) : NOTHING);
    if (workspace.byteLength < bytes) {
      throw new PolycomError(
        'INVALID_ARGUMENT',
        `the workspace has ${workspace.byteLength} bytes; expected at least ${bytes}`,
        { op: name },
      );
    }
    block.setWorkspace(workspace);
    return workspace;
  }

  #alive(): bigint {
    if (this.#address !== undefined) return this.#address;
    throw new PolycomError('INVALID_ARGUMENT', 'this queue has been disposed', { remedy: 'create another' });
  }
}

const NOTHING: Memory = { address: 0n, byteLength: 0 };

function checkOutputCount(op: string, count: number): number {
  if (Number.isInteger(count) && count >= 0 && count <= 1024) return count;
  throw new PolycomError('INVALID_ARGUMENT', `${count} outputs; expected a whole number up to 1024`, { op });
}

function detached(op: string): PolycomError {
  return new PolycomError('INVALID_ARGUMENT', 'an array has lost its memory since the call was prepared', {
    op,
    remedy: 'prepare the call again after transferring or resizing a buffer',
  });
}
