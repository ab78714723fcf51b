import type { KoffiFunc, LibraryHandle } from 'koffi';
import { PolycomError, type PolycomErrorCode } from '../common/errors.js';
import { holdForever } from '../common/hold.js';
import { checkNames, type Names } from '../common/options.js';
import { type AddonLibrary, openAddon } from './addon.js';
import { libraryCandidates } from './find.js';
import { koffi, missingKoffi } from './koffi.js';
import { Queue } from './queue.js';
import { useTunedMappings } from './tuned.js';
import type { BuildInfo, Device, DeviceInfo, NativeMissing } from './types.js';

/** The version of native/include/polycom.h that this code is written for. */
export const ABI_VERSION = 7;

// In the order of pc_status.
const STATUS_CODES = [
  'INTERNAL',
  'INVALID_ARGUMENT',
  'UNSUPPORTED',
  'NO_DEVICE',
  'DEVICE_ERROR',
  'OUT_OF_MEMORY',
] as const satisfies readonly PolycomErrorCode[];
const REMEDIES: Partial<Record<PolycomErrorCode, string>> = {
  NO_DEVICE: "use the device 'cpu', or build the library where nvcc is found and run it where a driver is",
  OUT_OF_MEMORY:
    'dispose tensors after their last use; dropped ones are freed only once synchronous code has ended',
};
// pc_device.
const DEVICE_NUMBER: Readonly<Record<Device, number>> = { cpu: 0, cuda: 1 };

type OpFunction = KoffiFunc<(queue: bigint, args: bigint) => number>;
type TextFunction = KoffiFunc<(buffer: Uint8Array, capacity: number) => number>;

/** One op of the C ABI: its function and its plan. */
export interface NativeOp {
  readonly name: string;
  readonly run: OpFunction;
  readonly plan: OpFunction;
}

/** What a queue is made of. */
export interface QueueOptions {
  /** `cpu` by default. */
  readonly device?: Device;
  /** The CUDA device's ordinal; 0 by default. */
  readonly index?: number;
  /** CPU: the most threads that an op may use; by default every CPU the process may use. */
  readonly threads?: number;
}

const QUEUE_OPTIONS: Names<QueueOptions> = { device: true, index: true, threads: true };

/** The native library, loaded and checked. Get it with {@link findNative} or {@link loadNative}. */
export class NativeLibrary {
  readonly found = true;
  /** The file it was loaded from. */
  readonly path: string;
  readonly build: BuildInfo;
  readonly #library: LibraryHandle;
  readonly #lastError: TextFunction;
  readonly #ops = new Map<string, NativeOp>();
  readonly #functions = new Map<string, unknown>();
  #addon: AddonLibrary | undefined;

  constructor(path: string, library: LibraryHandle) {
    this.path = path;
    this.#library = library;
    this.#lastError = library.func('pc_last_error', 'int64_t', ['void *', 'int64_t']) as TextFunction;
    this.build = JSON.parse(
      readText(library.func('pc_build_info', 'int64_t', ['void *', 'int64_t']) as TextFunction),
    );
  }

  /** How many devices of a kind this process can use now. */
  deviceCount(device: Device): number {
    return this.#library.func('pc_device_count', 'int32_t', ['int32_t'])(DEVICE_NUMBER[device]);
  }

  /**
   * A queue: a device and its order of work.
   *
   * @throws {PolycomError} `NO_DEVICE` where there is no such device
   */
  createQueue(options: QueueOptions = {}): Queue {
    checkNames('createQueue', options, QUEUE_OPTIONS);
    const { device = 'cpu', index = 0, threads = 0 } = options;
    if (!(device in DEVICE_NUMBER)) {
      throw new PolycomError('INVALID_ARGUMENT', `device '${device}'; expected 'cpu' or 'cuda'`);
    }
    if (!isInt32(index) || !isInt32(threads)) {
      throw new PolycomError(
        'INVALID_ARGUMENT',
        `index ${index}, threads ${threads}; expected whole numbers`,
      );
    }
    const create = this.#library.func('pc_queue_create', 'int32_t', [
      'int32_t',
      'int32_t',
      'int32_t',
      'void *',
    ]);
    const made = new BigUint64Array(1);
    this.check(create(DEVICE_NUMBER[device], index, threads, made));
    return new Queue(this, device, index, made[0]!);
  }

  /** The function and the plan of an op: `op('polynorm_forward')`. */
  op(name: string): NativeOp {
    let op = this.#ops.get(name);
    if (op === undefined) {
      const find = (symbol: string) =>
        this.#library.func(symbol, 'int32_t', ['void *', 'void *']) as OpFunction;
      try {
        op = { name, run: find(`pc_${name}`), plan: find(`pc_${name}_plan`) };
      } catch (cause) {
        throw new PolycomError('UNSUPPORTED', `${this.path} has no such op`, { op: name, cause });
      }
      this.#ops.set(name, op);
    }
    return op;
  }

  /**
   * A C function that is not an op, as it is declared here the first time.
   *
   * @throws {PolycomError} `UNSUPPORTED` where this library is older than the function
   */
  function<F extends (...args: never[]) => unknown>(name: string, result: string, parameters: string[]): F {
    let declared = this.#functions.get(name);
    if (declared === undefined) {
      try {
        declared = this.#library.func(name, result, parameters);
      } catch (cause) {
        throw new PolycomError('UNSUPPORTED', `${this.path} has no ${name}`, {
          remedy: 'build it again: npx polycom build',
          cause,
        });
      }
      this.#functions.set(name, declared);
    }
    return declared as F;
  }

  /**
   * What a device is.
   *
   * @throws {PolycomError} `NO_DEVICE` where there is no such device
   */
  deviceInfo(device: Device, index: number = 0): DeviceInfo {
    type Read = (device: number, index: number, buffer: Uint8Array, capacity: number) => number;
    const types = ['int32_t', 'int32_t', 'void *', 'int64_t'];
    const read = this.function<Read>('pc_device_info', 'int64_t', types);
    const buffer = new Uint8Array(1024);
    const length = Number(read(DEVICE_NUMBER[device] ?? -1, index, buffer, buffer.length));
    if (length < 0) this.check(STATUS_CODES.indexOf('NO_DEVICE'));
    return JSON.parse(new TextDecoder().decode(buffer.subarray(0, length)));
  }

  /** Whether its CUDA is the tests' emulator: it computes rightly, and its times say nothing of a GPU. */
  get emulated(): boolean {
    return this.build.cuda_architectures === 'emulated';
  }

  /**
   * What `polycom.node` does for this library: memory on its devices, and waiting for them.
   *
   * @throws {PolycomError} `LIBRARY_NOT_FOUND` where the addon has not been built
   */
  get addon(): AddonLibrary {
    this.#addon ??= openAddon(this, ABI_VERSION);
    return this.#addon;
  }

  /** The bytes of memory on a device that this process has allocated through this library and not freed. */
  memoryInUse(device: Device = 'cpu', index: number = 0): number {
    type Read = (device: number, index: number, bytes: BigInt64Array) => number;
    const read = this.function<Read>('pc_memory_in_use', 'int32_t', ['int32_t', 'int32_t', 'void *']);
    const bytes = new BigInt64Array(1);
    this.check(read(DEVICE_NUMBER[device] ?? -1, index, bytes));
    return Number(bytes[0]);
  }

  /** The address of a C function. */
  symbol(name: string): bigint {
    return this.#library.symbol(name) as bigint;
  }

  /** Throws the typed error of a status other than PC_OK. */
  check(status: number, op?: string, shapes?: Readonly<Record<string, readonly number[]>>): void {
    if (status === 0) return;
    const text = readText(this.#lastError);
    const code = STATUS_CODES[status] ?? 'INTERNAL';
    const remedy = REMEDIES[code];
    const message = op !== undefined && text.startsWith(`${op}: `) ? text.slice(op.length + 2) : text;
    throw new PolycomError(code, message, {
      ...(op === undefined ? {} : { op }),
      ...(shapes === undefined ? {} : { shapes }),
      ...(remedy === undefined ? {} : { remedy }),
    });
  }
}

let loaded: NativeLibrary | undefined;

/** The native library, loaded on the first call; or why there is none, which is a normal state. */
export function findNative(): NativeLibrary | NativeMissing {
  if (loaded !== undefined) return loaded;
  const missing = missingKoffi();
  if (missing !== undefined) return missing;
  const failures: string[] = [];
  for (const path of libraryCandidates()) {
    try {
      loaded = openLibrary(path);
      if (loaded.build.cuda) useTunedMappings(loaded);
      return loaded;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      failures.push(message.startsWith(path) ? message : `${path}: ${message}`);
    }
  }
  return {
    found: false,
    reason: failures.length === 0 ? 'the native library has not been built' : failures.join('; '),
    remedy: process.env.POLYCOM_LIBRARY
      ? 'correct or unset POLYCOM_LIBRARY'
      : 'run: npx polycom build (needs cmake and a C++ compiler; nvcc adds CUDA)',
  };
}

/** As {@link findNative}, but its absence is an error: `LIBRARY_NOT_FOUND`. */
export function loadNative(): NativeLibrary {
  const native = findNative();
  if (native.found) return native;
  throw new PolycomError('LIBRARY_NOT_FOUND', native.reason, { remedy: native.remedy });
}

/**
 * Loads one library file and checks its version.
 *
 * @throws {PolycomError} `ABI_MISMATCH` for a library of another version
 */
export function openLibrary(path: string): NativeLibrary {
  widenStacks();
  const library = koffi().load(path);
  holdForever(library);
  const version = library.func('pc_abi_version', 'int32_t', [])() as number;
  if (version !== ABI_VERSION) {
    throw new PolycomError('ABI_MISMATCH', `${path} has ABI version ${version}; expected ${ABI_VERSION}`, {
      remedy: 'build it again: npx polycom build',
    });
  }
  return new NativeLibrary(path, library);
}

/** CUDA's initialisation and its compiler need more than koffi's stacks. Only before anything is loaded. */
function widenStacks(): void {
  try {
    const { config } = koffi();
    config({ ...config(), sync_stack_size: 8 << 20, async_stack_size: 1 << 20 });
  } catch {
    // Another package has loaded a library through koffi first; its choice stands.
  }
}

function readText(read: TextFunction): string {
  const buffer = new Uint8Array(1024);
  const length = Math.min(Number(read(buffer, buffer.length)), buffer.length - 1);
  return new TextDecoder().decode(buffer.subarray(0, length));
}

function isInt32(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) < 2 ** 31;
}
