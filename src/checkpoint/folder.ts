import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { invalidArgument, invalidFile, PolycomError } from '../common/errors.js';
import { checkField, whole } from '../common/fields.js';
import { typed } from '../common/file-error.js';
import { makeFolder } from '../common/folder.js';
import { sayOnce } from '../common/notice.js';
import { checkNames } from '../common/options.js';
import { asideFolder, removeLeftovers } from '../common/store.js';
import { decodeHalves, encodeHalves, type HalfDtype } from '../native/dtype.js';
import { type FileSum, syncFolder } from './files.js';
import { readJson, writeJson } from './json.js';
import { openSafetensors, type SafeTensor, writeSafetensors } from './safetensors.js';
import { CONFIG, checkFile, MODEL, OPTIMIZER, readState, writeState } from './state.js';

/** A value that JSON can hold. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/** A float32 tensor in memory. */
export interface FloatTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What a checkpoint holds. */
export interface Checkpoint {
  readonly model: ReadonlyMap<string, FloatTensor>;
  /** The optimizer's tensors: moments, by names of the caller's. */
  readonly optimizer: ReadonlyMap<string, FloatTensor>;
  /** Whatever else training needs to go on: schedule, data position, seeds. */
  readonly state: Json;
  /** The model's configuration, in `config.json`; none written by default. */
  readonly config?: Json;
}

/** A checkpoint read back. */
export interface LoadedCheckpoint extends Checkpoint {
  readonly step: number;
  /** The step's own folder. */
  readonly folder: string;
}

/** How many checkpoints are kept, unless the caller says otherwise. */
const DEFAULT_KEEP = 3;

const STEP_FOLDER = /^step-(\d{8,})$/;
const REPLACED = /^(step-\d{8,})\.replaced$/;

/**
 * Saves a checkpoint of a training run as `<run>/step-00000100`, and removes older ones. It is written aside, to the disk,
 * then renamed: a process killed at any moment, or a full disk, leaves the checkpoints that there were.
 *
 * @param run the run's folder, made if absent
 * @param step the step after which this is the state; a checkpoint of the same step is replaced
 * @param options `keep`: how many stay, this one included; 3 by default
 * @returns the checkpoint's folder
 * @throws {PolycomError} `INVALID_ARGUMENT` for a bad step or keep; `FILE_ERROR` where the system refuses
 */
export async function saveCheckpoint(
  run: string,
  step: number,
  checkpoint: Checkpoint,
  options: { readonly keep?: number } = {},
): Promise<string> {
  checkNames('saveCheckpoint', options, { keep: true });
  const { keep = DEFAULT_KEEP } = options;
  checkField('saveCheckpoint', 'step', step, whole(0));
  checkField('saveCheckpoint', 'keep', keep, whole(1));
  const folder = join(run, folderName(step));
  makeFolder(run);
  await typed(run, 'write', async () => {
    await tidyUp(run);
    const aside = asideFolder(run);
    try {
      await mkdir(aside);
      await fill(aside, step, checkpoint);
      await moveIntoPlace(aside, folder);
      await syncFolder(run);
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
    // Later ones are of another course of the run, which someone left by going on from before: they stay.
    const before = (await stepsOf(run)).filter((other) => other < step);
    for (const old of before.slice(keep - 1)) await remove(run, join(run, folderName(old)));
  });
  return folder;
}

/**
 * The folder of a run's newest checkpoint; `undefined` where there is none. What killed processes left half-written is
 * removed. Its content is checked when it is loaded.
 */
export async function latest(run: string): Promise<string | undefined> {
  const [step] = await findSteps(run);
  return step === undefined ? undefined : join(run, folderName(step));
}

/**
 * Loads a checkpoint: the newest of a run that is whole, or the one whose folder is given. A damaged one is named on
 * stderr, and the one before it is taken.
 *
 * @param path a run's folder, or that of one step
 * @param options `optimizer`: whether to read the optimizer's tensors too; true by default
 * @throws {PolycomError} `FILE_ERROR` where there is no checkpoint; `INVALID_FILE` where none is whole, saying what is
 *   wrong with each
 */
export async function loadCheckpoint(
  path: string,
  options: { readonly optimizer?: boolean } = {},
): Promise<LoadedCheckpoint> {
  checkNames('loadCheckpoint', options, { optimizer: true });
  const { optimizer = true } = options;
  if (STEP_FOLDER.test(basename(resolve(path)))) return await loadFolder(path, optimizer);
  const problems: string[] = [];
  for (const step of await findSteps(path)) {
    const folder = join(path, folderName(step));
    try {
      return await loadFolder(folder, optimizer);
    } catch (error) {
      if (!(error instanceof PolycomError && error.code === 'INVALID_FILE')) throw error;
      problems.push(error.problem);
      sayOnce(`${folder} is damaged, the checkpoint before it is used: ${error.problem}`, folder);
    }
  }
  if (problems.length > 0) {
    const all = `no checkpoint in it is whole:\n  ${problems.join('\n  ')}`;
    throw invalidFile(
      path,
      all,
      'copy the run again from where it was whole, or train anew in another folder',
    );
  }
  throw new PolycomError('FILE_ERROR', `there is no checkpoint in ${path}`, {
    remedy: 'name the folder that `polycom train --out` was given, or one of the step-* folders in it',
  });
}

function folderName(step: number): string {
  return `step-${String(step).padStart(8, '0')}`;
}

/** The steps whose folders there are, newest first. */
async function stepsOf(run: string): Promise<number[]> {
  const steps = (await readdir(run)).map((name) => STEP_FOLDER.exec(name)?.[1]);
  return steps
    .filter((step) => step !== undefined)
    .map(Number)
    .sort((a, b) => b - a);
}

/** Likewise, after tidying up; none where there is no such run. */
function findSteps(run: string): Promise<number[]> {
  return typed(run, 'read', async () => {
    const found = await stat(run).catch(() => undefined);
    if (found === undefined) return [];
    await tidyUp(run).catch(ignoreHarmless);
    return await stepsOf(run);
  });
}

/** Who may only read a run reads it as it is; and the process that trains may have tidied up itself meanwhile. */
function ignoreHarmless(error: NodeJS.ErrnoException): void {
  if (!['EROFS', 'EACCES', 'EPERM', 'ENOENT'].includes(error.code ?? '')) throw error;
}

/** Removes what killed processes left, and puts back what one was about to replace. */
async function tidyUp(run: string): Promise<void> {
  await removeLeftovers(run);
  const names = await readdir(run);
  for (const name of names) {
    const original = REPLACED.exec(name)?.[1];
    if (original === undefined) continue;
    if (names.includes(original)) await remove(run, join(run, name));
    else await rename(join(run, name), join(run, original));
  }
}

async function fill(folder: string, step: number, checkpoint: Checkpoint): Promise<void> {
  const { model, optimizer, state, config } = checkpoint;
  const files: Record<string, FileSum> = {
    [MODEL]: await writeFloats(join(folder, MODEL), model),
    [OPTIMIZER]: await writeFloats(join(folder, OPTIMIZER), optimizer),
  };
  if (config !== undefined) files[CONFIG] = await writeJson(join(folder, CONFIG), config);
  await writeState(folder, { schema: 1, step, files, state });
}

/** Writes float32 tensors into a safetensors file of the kind that transformers loads, rounded to `dtype`. */
export function writeFloats(
  path: string,
  tensors: ReadonlyMap<string, FloatTensor>,
  dtype: 'f32' | HalfDtype = 'f32',
): Promise<FileSum> {
  const stored = Array.from(tensors, ([name, { shape, data }]): [string, SafeTensor] => {
    if (dtype === 'f32') return [name, { dtype: 'F32', shape, data }];
    const wide = dtype === 'f16' ? 'F16' : 'BF16';
    return [name, { dtype: wide, shape, data: () => halvesOf(name, data, dtype) }];
  });
  // transformers takes a file for PyTorch's only if it says so.
  return writeSafetensors(path, stored, { format: 'pt' });
}

/** @throws {PolycomError} `INVALID_ARGUMENT` for a finite number that the dtype has no room for */
function halvesOf(name: string, data: Float32Array, dtype: HalfDtype): Uint16Array {
  const halves = encodeHalves(data, dtype);
  const lost = decodeHalves(halves, dtype).findIndex(
    (x, i) => !Number.isFinite(x) && Number.isFinite(data[i]),
  );
  if (lost < 0) return halves;
  throw invalidArgument(`${name} holds ${data[lost]}, which ${dtype} has no room for`, {
    remedy: 'write bf16 or f32',
  });
}

/** Renames a filled folder. One that stands there steps aside first, where {@link tidyUp} finds it after a kill. */
async function moveIntoPlace(aside: string, folder: string): Promise<void> {
  const replaced = `${folder}.replaced`;
  const stands = (await stat(folder).catch(() => undefined)) !== undefined;
  if (stands) await rename(folder, replaced);
  await rename(aside, folder);
  if (stands) await rm(replaced, { recursive: true, force: true });
}

/** Removes a folder, which no longer has its name once it is no longer whole. */
async function remove(run: string, folder: string): Promise<void> {
  const aside = asideFolder(run);
  await rename(folder, aside);
  await rm(aside, { recursive: true, force: true });
}

/** The step that a folder's name says. */
function stepOf(folder: string): number {
  return Number(STEP_FOLDER.exec(basename(resolve(folder)))?.[1]);
}

async function loadFolder(folder: string, withOptimizer: boolean): Promise<LoadedCheckpoint> {
  const { step, files, state } = await readState(folder, stepOf(folder));
  const parts = Object.keys(files).filter((name) => withOptimizer || name !== OPTIMIZER);
  for (const name of parts) await checkFile(join(folder, name), files[name]!);
  return {
    step,
    folder,
    model: await readFloats(join(folder, MODEL)),
    optimizer: withOptimizer ? await readFloats(join(folder, OPTIMIZER)) : new Map(),
    state,
    ...(CONFIG in files ? { config: (await readJson(join(folder, CONFIG))) as Json } : {}),
  };
}

async function readFloats(path: string): Promise<Map<string, FloatTensor>> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, FloatTensor>();
    for (const name of file.names) {
      tensors.set(name, { shape: file.info(name).shape, data: await file.readFloats(name) });
    }
    return tensors;
  } finally {
    await file.close();
  }
}
