import { homedir } from 'node:os';
import { PolycomError } from '../errors.js';
import { findNative, type NativeLibrary } from '../native/library.js';
import type { Device, Dtype } from '../native/types.js';
import { packageFolder, packageVersion } from '../package.js';
import { measureAllocator, OTHER_ALLOCATORS } from './allocators.js';
import type { Measured } from './contender.js';
import { currentCommit, describeMachine } from './machine.js';
import {
  activateTensorflow,
  type Job,
  measureNative,
  measureTensorflow,
  type OnStep,
  tfjsVersion,
} from './parts.js';
import type { Effort } from './sampling.js';
import { type BenchShapes, chosenShapes, fitShapes, presetShapes, shapeName } from './shapes.js';
import { allocatorOfProcess } from './tensorflow.js';
import type { BenchBackend, BenchDocument, Shape } from './types.js';

/** What to measure. */
export interface BenchOptions {
  readonly quick?: boolean;
  readonly backend?: BenchBackend | 'all';
  readonly device?: Device;
  /** f32 by default. TensorFlow's part is f32 whatever this says: tfjs has no other float. */
  readonly dtypes?: readonly Dtype[];
  /** Instead of the usual ones. */
  readonly shapes?: readonly Shape[] | undefined;
  readonly onStep?: OnStep;
}

const QUICK: Effort = { minRounds: 3, maxRounds: 40, budgetMs: 4_000 };
const FULL: Effort = { minRounds: 7, maxRounds: 80, budgetMs: 20_000 };

/**
 * Measures the activations: fused, stock, composed and a copy. What is missing is left out, with a note.
 *
 * @throws {PolycomError} `NO_DEVICE` or `UNSUPPORTED` for a device that cannot be measured
 */
export async function benchActivations(options: BenchOptions = {}): Promise<BenchDocument> {
  const { quick = false, backend = 'all', device = 'cpu', onStep = () => undefined } = options;
  const native = findNative();
  const library = native.found ? native : undefined;
  if (device !== 'cpu') refuseDevice(device, library);
  const chosen = options.shapes === undefined ? presetShapes(quick) : chosenShapes(options.shapes);
  const [shapes, shrunk] = fitShapes(chosen);
  const notes = [...shrunk];
  if (!native.found) notes.push(`no native library: ${native.reason}; remedy: ${native.remedy}`);
  const context: Context = { options, shapes, effort: quick ? QUICK : FULL, library, onStep };
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
  readonly shapes: BenchShapes;
  readonly effort: Effort;
  readonly library: NativeLibrary | undefined;
  readonly onStep: OnStep;
}

function refuseDevice(device: Device, library: NativeLibrary | undefined): never {
  const devices = library?.deviceCount(device) ?? 0;
  if (devices === 0) {
    throw new PolycomError('NO_DEVICE', `no ${device} device can be used here`, {
      remedy: 'use --device cpu',
    });
  }
  throw new PolycomError('UNSUPPORTED', `the benchmark does not drive ${device} devices yet`, {
    remedy: 'use --device cpu',
  });
}

function nativePart({ options, shapes, effort, library, onStep }: Context): Measured[] {
  if (library === undefined) return [];
  const { dtypes = ['f32'] } = options;
  return dtypes.map((dtype) => measureNative(library, { shapes: shapes.native, dtype, effort }, onStep));
}

interface TensorflowPart {
  readonly parts: readonly Measured[];
  readonly notes: readonly string[];
  readonly machine?: Pick<BenchDocument['machine'], 'tf_allocator' | 'tf_onednn'>;
  readonly versions?: Readonly<Record<string, string>>;
}

async function tensorflowPart({
  options,
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
  const job = { dtype: 'f32', effort } as const satisfies Partial<Job>;
  const passes = ['forward', 'forward_backward'] as const;
  const parts = [measureTensorflow(library, { ...job, shapes: shapes.tensorflow }, passes, onStep)];
  for (const allocator of Object.keys(OTHER_ALLOCATORS) as (keyof typeof OTHER_ALLOCATORS)[]) {
    const child = { ...job, shapes: shapes.allocators, passes: options.quick ? passes.slice(0, 1) : passes };
    parts.push(await measureAllocator(allocator, child, onStep));
  }
  return {
    parts,
    notes: status.fused ? [] : [`no fused ops in TensorFlow: ${status.missing}`],
    machine: {
      tf_allocator: allocatorOfProcess(),
      tf_onednn: process.env.TF_ENABLE_ONEDNN_OPTS === '0' ? 'off' : 'default',
    },
    versions: {
      tensorflow: status.tensorflow ?? 'unknown',
      tfjs: tfjsVersion,
      [status.package]: tfjsVersion,
    },
  };
}

function commandOf({ quick, backend = 'all', dtypes = ['f32'], shapes }: BenchOptions): string {
  const parts = ['npx polycom bench activations'];
  if (quick) parts.push('--quick');
  if (backend !== 'all') parts.push(`--backend ${backend}`);
  if (dtypes.join() !== 'f32') parts.push(`--dtype ${dtypes.join()}`);
  if (shapes !== undefined) parts.push(`--shapes ${shapes.map(shapeName).join().replaceAll('×', 'x')}`);
  return parts.join(' ');
}

/** A note as it may leave this machine. */
export function withoutFolders(note: string): string {
  return note.replaceAll(packageFolder, '').replaceAll(process.cwd(), '.').replaceAll(homedir(), '~');
}
