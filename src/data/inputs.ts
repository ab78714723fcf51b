import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { invalidArgument } from '../common/errors.js';
import { isMadeFolder, isRunLog } from './made.js';

/** A file of text, or of a JSON object with text a line. */
export interface InputFile {
  /** Absolute. */
  readonly path: string;
  readonly kind: 'text' | 'jsonl';
  /** In bytes. */
  readonly size: number;
  /** When it was last written, in milliseconds. */
  readonly modified: number;
}

/** What was found in files and folders. */
export interface Inputs {
  readonly files: readonly InputFile[];
  /** How many files of folders are of other kinds, and are not read. */
  readonly ignored: number;
}

const JSONL = ['.jsonl', '.ndjson'];
const TEXT = ['.txt', '.text', '.md'];

/**
 * The files to read: those named, whatever they are called (`.jsonl` and `.ndjson` are JSON lines), and, in folders
 * and the folders within, those that are called like text or JSON lines, sorted by path. Empty and hidden files of
 * folders are passed over, and so is what commands have written there: runs, models, token shards.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where one is missing or empty, or a folder has nothing to read
 */
export async function findInputs(paths: readonly string[]): Promise<Inputs> {
  const files: InputFile[] = [];
  let ignored = 0;
  for (const path of paths) {
    const found = await status(path);
    if (found.isDirectory()) {
      const inside = await findInFolder(path);
      files.push(...inside.files);
      ignored += inside.ignored;
    } else files.push(inputFile(path, found));
  }
  if (files.length > 0) return { files, ignored };
  throw invalidArgument('no input; expected a text file, a folder, or JSON lines');
}

async function status(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    throw invalidArgument(`${path} is not there, or cannot be read`, { cause });
  }
}

function inputFile(path: string, found: Stats): InputFile {
  if (!found.isFile()) {
    throw invalidArgument(`${path} is no file and no folder`, {
      remedy: 'write what a pipe or a device gives into a file first',
    });
  }
  if (found.size === 0) throw invalidArgument(`${path} is empty`);
  const kind = JSONL.includes(extname(path).toLowerCase()) ? 'jsonl' : 'text';
  return { path: resolve(path), kind, size: found.size, modified: found.mtimeMs };
}

async function findInFolder(folder: string): Promise<Inputs> {
  const names = (await namesIn(folder)).sort();
  const wanted = names.filter((name) => [...TEXT, ...JSONL].includes(extname(name).toLowerCase()));
  const files: InputFile[] = [];
  for (const name of wanted) {
    const found = await status(join(folder, name));
    if (found.isFile() && found.size > 0) files.push(inputFile(join(folder, name), found));
  }
  if (files.length > 0) return { files, ignored: names.length - wanted.length };
  throw invalidArgument(
    `${folder} has nothing to read; expected files called ${[...TEXT, ...JSONL].join(', ')} that are not empty`,
    { remedy: 'files that are called otherwise, or lie in the folder of a run, can be given one by one' },
  );
}

/** The files in a folder and the folders within, but for hidden ones and what commands have written there. */
async function namesIn(root: string, folder: string = ''): Promise<string[]> {
  const path = join(root, folder);
  const all = (await entries(path)).filter(({ name }) => !name.startsWith('.'));
  const inside = all.map(({ name }) => name);
  if (folder !== '' && (await isMadeFolder(path, inside))) return [];
  const names: string[] = [];
  for (const entry of all) {
    const name = join(folder, entry.name);
    if (entry.isDirectory()) names.push(...(await namesIn(root, name)));
    else if (!(await isRunLog(path, entry.name))) names.push(name);
  }
  return names;
}

async function entries(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw invalidArgument(`${folder} cannot be read`, { cause });
  }
}
