import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { invalidFile, type PolycomError } from '../common/errors.js';
import { excerpt } from '../common/excerpt.js';
import { type FileSum, sumOfFile, writeAside } from './files.js';
import type { Json } from './folder.js';
import { missing, parseJson, readJsonText } from './json.js';

export const MODEL = 'model.safetensors';
export const OPTIMIZER = 'optimizer.safetensors';
export const CONFIG = 'config.json';
/** Written last: it has the sizes and sums of the others. */
export const STATE = 'state.json';

/** The `state.json` of a checkpoint. */
export interface StateFile {
  readonly schema: 1;
  readonly step: number;
  readonly files: Readonly<Record<string, FileSum>>;
  readonly state: Json;
}

const KEYS = ['schema', 'step', 'files', 'state', 'crc32'];
const FILES = [MODEL, OPTIMIZER, CONFIG];
/** What stands before the file's own sum, its last field. */
const SUM = ',\n  "crc32": ';

/** The typed error of a checkpoint's file that has changed since. */
function notAsSaved(path: string, problem: string): PolycomError {
  return invalidFile(path, problem, 'name the folder of the run: its newest whole checkpoint is taken then');
}

/** Writes the state of a checkpoint, which ends with the CRC-32 of its own text up to there. */
export async function writeState(folder: string, content: StateFile): Promise<void> {
  const text = JSON.stringify(content, undefined, 2).replace(/\n\}$/, '');
  const whole = `${text}${SUM}${crc32(text)}\n}\n`;
  await writeAside(join(folder, STATE), (writer) => writer.write(Buffer.from(whole)));
}

/**
 * Reads the state of a checkpoint.
 *
 * @param step that the folder's name says
 * @throws {PolycomError} `INVALID_FILE` where it is damaged, or another checkpoint's
 */
export async function readState(folder: string, step: number): Promise<StateFile> {
  const path = join(folder, STATE);
  const text = await readJsonText(path);
  const content = (parseJson(path, text) ?? {}) as Readonly<Record<string, unknown>>;
  if (content.schema !== 1) {
    throw notAsSaved(path, `its schema is ${excerpt(content.schema)}; expected 1`);
  }
  const known = Object.keys(content).every((key) => KEYS.includes(key)) && 'state' in content;
  if (!known || content.step !== step || !areSums(content.files)) {
    throw notAsSaved(path, 'it is not the state of the checkpoint in this folder');
  }
  if ('crc32' in content) checkSum(path, text, content.crc32); // those of older versions have none
  return content as unknown as StateFile;
}

function areSums(files: unknown): files is StateFile['files'] {
  if (typeof files !== 'object' || files === null || !(MODEL in files && OPTIMIZER in files)) return false;
  // A name with a path in it would read files outside the folder.
  return Object.entries(files).every(([name, sum]) => FILES.includes(name) && isSum(sum));
}

function isSum(sum: unknown): sum is FileSum {
  const { bytes, crc32 } = (sum ?? {}) as Partial<FileSum>;
  return [bytes, crc32].every((value) => Number.isSafeInteger(value) && value! >= 0);
}

function checkSum(path: string, text: string, sum: unknown): void {
  const end = text.lastIndexOf(SUM);
  if (end >= 0 && crc32(text.slice(0, end)) === sum && text.slice(end) === `${SUM}${sum}\n}\n`) return;
  throw notAsSaved(path, 'its content is not what was written (CRC-32)');
}

/** Checks that a file of a checkpoint is as it was written. */
export async function checkFile(path: string, expected: FileSum): Promise<void> {
  const { size } = await statOf(path);
  if (size !== expected.bytes) {
    throw notAsSaved(path, `it has ${size} bytes; ${expected.bytes} were written`);
  }
  const { crc32 } = await sumOfFile(path);
  if (crc32 !== expected.crc32) throw notAsSaved(path, 'its content is not what was written (CRC-32)');
}

/** A missing file of a checkpoint is damage to it. */
async function statOf(path: string): Promise<{ readonly size: number }> {
  try {
    return await stat(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw missing(path, cause);
    throw cause;
  }
}
