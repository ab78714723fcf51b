import { homedir } from 'node:os';
import { PolycomError } from '../common/errors.js';
import { packageFolder, packageVersion } from '../common/package.js';
import { findGpus } from '../native/gpus.js';
import { findNative, type NativeLibrary } from '../native/library.js';
import type { Device, Dtype } from '../native/types.js';
import { measureAllocator, OTHER_ALLOCATORS } from './allocators.js';
import type { Measured } from './contender.js';
import { currentCommit, describeMachine } from './machine.js';
import {
  activateTensorflow,
  type Job,
  measureNative,
  measureTensorflow,
  type OnStep,
  tensorflowDevice,
  tfjsVersion,
} from './parts.js';
import type { TimingEffort } from './sampling.js';
import {
  type BenchShapes,
  chosenShapes,
  emulatedShapes,
  fitShapes,
  memoryBytes,
  presetShapes,
  shapeName,
} from './shapes.js';
import { describeAllocator } from './tensorflow.js';
import type { BenchBackend, BenchDocument, Machine, Shape } from './types.js';

/** What to measure. */
export interface BenchOptions {
  readonly quick?: boolean;
  readonly backend?: BenchBackend | 'all';
  /** `all` by default: the CPU, and a GPU where one can be used. */
  readonly device?: Device | 'all';
  /** f32 by default. TensorFlow's part is f32 whatever this says: tfjs has no other float. */
  readonly dtypes?: readonly Dtype[];
  /** Instead of the usual ones. */
  readonly shapes?: readonly Shape[] | undefined;
  readonly onStep?: OnStep;
}

const QUICK: TimingEffort = { minRounds: 3, maxRounds: 40, budgetMs: 4_000 };
/** Of the emulator: that everything runs. */
const LEAST: TimingEffort = { minRounds: 1, maxRounds: 1, budgetMs: 0, warmUpMs: 0 };
const FULL: TimingEffort = { minRounds: 7, maxRounds: 80, budgetMs: 20_000 };

/**
 * Measures the activations: fused, stock, composed and a copy. What is missing is left out, with a note.
 *
 * @throws {PolycomError} `NO_DEVICE` or `UNSUPPORTED` for a device that cannot be measured
 */
export async function benchActivations(options: BenchOptions = {}): Promise<BenchDocument> {
  const { quick = false, backend = 'all', onStep = () => undefined } = options;
  const native = findNative();
  const library = native.found ? native : undefined;
  const devices = devicesOf(options.device ?? 'all', library);
  const [shapes, notes] = fitShapes(shapesOf(options, devices, library), leastMemory(devices, library));
  if (!native.found) notes.push(`no native library: ${native.reason}; remedy: ${native.remedy}`);
  const emulated = devices.includes('cuda') && library!.emulated;
  const effort = emulated ? LEAST : quick ? QUICK : FULL;
  const context: Context = { options, devices, shapes, effort, library, onStep };
  const direct = backend === 'tensorflow' ? [] : nativePart(context);
  const tensorflow = backend === 'native' ? undefined : await tensorflowPart(context);
  const parts = [...direct, ...(tensorflow?.parts ?? [])];
  const commit = await currentCommit();
  return {
    schema: 1,
    bench: 'activations',
    date: new Date().toISOString(),
    ...(commit === undefined ? {} : { commit }),
    command: commandOf(options),
    machine: {
      ...describeMachine(),
      ...(library === undefined ? {} : { simd: library.build.simd }),
      ...(library !== undefined && devices.includes('cuda') ? await describeGpu(library) : {}),
      ...tensorflow?.machine,
    },
    versions: { polycom: packageVersion, node: process.versions.node, ...tensorflow?.versions },
    notes: [...notes, ...(tensorflow?.notes ?? []), ...parts.flatMap((part) => part.notes)]
      .map(withoutFolders)
      .filter((note, i, all) => all.indexOf(note) === i),
    results: parts.flatMap(({ rows }) => rows),
  };
}

interface Context {
  readonly options: BenchOptions;
  readonly devices: readonly Device[];
  readonly shapes: BenchShapes;
  readonly effort: TimingEffort;
  readonly library: NativeLibrary | undefined;
  readonly onStep: OnStep;
}

/** What is measured; the emulator only where it is asked for by name, as its times say nothing. */
function devicesOf(asked: Device | 'all', library: NativeLibrary | undefined): Device[] {
  const usable = library !== undefined && library.deviceCount('cuda') > 0;
  if (asked === 'all') return usable && !library.emulated ? ['cpu', 'cuda'] : ['cpu'];
  if (asked === 'cpu' || usable) return [asked];
  throw new PolycomError('NO_DEVICE', `no ${asked} device can be used here`, {
    remedy: 'polycom doctor says why; --device cpu measures the CPU',
  });
}

function shapesOf(
  { shapes, quick = false }: BenchOptions,
  devices: readonly Device[],
  library: NativeLibrary | undefined,
): BenchShapes {
  if (shapes !== undefined) return chosenShapes(shapes);
  return devices.includes('cuda') && library!.emulated ? emulatedShapes() : presetShapes(quick);
}

/** That of the device that has the least. */
function leastMemory(devices: readonly Device[], library: NativeLibrary | undefined): number {
  const host = memoryBytes();
  return devices.includes('cuda') ? Math.min(host, library!.deviceInfo('cuda').memory_bytes ?? host) : host;
}

/** The first GPU, for the document's machine. */
export async function describeGpu(library: NativeLibrary): Promise<Partial<Machine>> {
  const { name, multiprocessors = 0, l2_bytes = 0, memory_bytes = 0 } = library.deviceInfo('cuda');
  const { driver } = library.emulated ? {} : await findGpus();
  return {
    gpu: name,
    gpu_memory_gb: Math.round(memory_bytes / 1e9),
    gpu_l2_mb: Math.round(l2_bytes / 2 ** 20),
    gpu_sms: multiprocessors,
    ...(driver === undefined ? {} : { gpu_driver: driver }),
  };
}

function nativePart({ options, devices, shapes, effort, library, onStep }: Context): Measured[] {
  if (library === undefined) return [];
  const { dtypes } = options;
  return devices.flatMap((device) =>
    (dtypes ?? usualDtypes(device)).map((dtype) =>
      measureNative(library, device, { shapes: shapes.native, dtype, effort }, onStep),
    ),
  );
}

/** A GPU's models are of 16 bits more often than not. */
function usualDtypes(device: Device): readonly Dtype[] {
  return device === 'cpu' ? ['f32'] : ['f32', 'f16', 'bf16'];
}

interface TensorflowPart {
  readonly parts: readonly Measured[];
  readonly notes: readonly string[];
  readonly machine?: Pick<BenchDocument['machine'], 'tf_allocator' | 'tf_onednn'>;
  readonly versions?: Readonly<Record<string, string>>;
}

async function tensorflowPart({
  options,
  devices,
  shapes,
  effort,
  library,
  onStep,
}: Context): Promise<TensorflowPart> {
  onStep('TensorFlow', 'loading');
  const { tensorflowStatus: status } = await import('../tensorflow/index.js');
  if (status.package === undefined) return { parts: [], notes: [`no TensorFlow: ${status.missing}`] };
  const refusal = await activateTensorflow();
  if (refusal !== undefined) return { parts: [], notes: [`TensorFlow left out: ${refusal}`] };
  const device = tensorflowDevice(library);
  const onGpu = device !== 'cpu';
  if (!devices.includes(onGpu ? 'cuda' : 'cpu')) {
    const where = onGpu ? 'a GPU; --device cuda measures it' : 'the CPU; --device cpu measures it';
    return { parts: [], notes: [`TensorFlow left out: it runs on ${where}`] };
  }
  const job = { dtype: 'f32', effort } as const satisfies Partial<Job>;
  const passes = ['forward', 'forward_backward'] as const;
  const parts = [measureTensorflow(library, { ...job, shapes: shapes.tensorflow }, passes, onStep)];
  const allocators = Object.keys(OTHER_ALLOCATORS) as (keyof typeof OTHER_ALLOCATORS)[];
  for (const allocator of onGpu ? [] : allocators) {
    const child = { ...job, shapes: shapes.allocators, passes: options.quick ? passes.slice(0, 1) : passes };
    parts.push(await measureAllocator(allocator, child, onStep));
  }
  return {
    parts,
    notes: status.fused ? [] : [`no fused ops in TensorFlow: ${status.missing}`],
    machine: onGpu ? {} : describeAllocator(),
    versions: {
      tensorflow: status.tensorflow ?? 'unknown',
      tfjs: tfjsVersion,
      [status.package]: tfjsVersion,
    },
  };
}

function commandOf({ quick, backend = 'all', device = 'all', dtypes, shapes }: BenchOptions): string {
  const parts = ['npx polycom bench activations'];
  if (quick) parts.push('--quick');
  if (backend !== 'all') parts.push(`--backend ${backend}`);
  if (device !== 'all') parts.push(`--device ${device}`);
  if (dtypes !== undefined) parts.push(`--dtype ${dtypes.join()}`);
  if (shapes !== undefined) parts.push(`--shapes ${shapes.map(shapeName).join().replaceAll('×', 'x')}`);
  return parts.join(' ');
}

/** A note as it may leave this machine. */
export function withoutFolders(note: string): string {
  return note.replaceAll(packageFolder, '').replaceAll(process.cwd(), '.').replaceAll(homedir(), '~');
}
