import { invalidFile, type PolycomError } from '../common/errors.js';
import { typed } from '../common/file-error.js';
import { readText } from '../common/text.js';
import { type FileSum, writeAside } from './files.js';

/** The remedy of a file that a folder lacks, or that is no JSON. */
export const WHOLE_FOLDER = 'copy or download the folder again, with all its files';

/**
 * Reads a file of JSON.
 *
 * @throws {PolycomError} `INVALID_FILE` where it is missing or is no JSON; `FILE_ERROR` where the system refuses
 */
export async function readJson(path: string): Promise<unknown> {
  return parseJson(path, await readJsonText(path));
}

/** The text of a file of JSON, with the errors of {@link readJson}. */
export async function readJsonText(path: string): Promise<string> {
  try {
    return await typed(path, 'read', () => readText(path, 'INVALID_FILE'));
  } catch (cause) {
    const system = (cause as PolycomError).cause as NodeJS.ErrnoException | undefined;
    throw system?.code === 'ENOENT' ? missing(path, cause) : cause;
  }
}

/** The value that a text of JSON has, with the errors of {@link readJson}. */
export function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalidFile(path, `it is not JSON (${(cause as Error).message})`, WHOLE_FOLDER, cause);
  }
}

/** The typed error of a file that should be there. */
export function missing(path: string, cause: unknown): PolycomError {
  return invalidFile(path, 'it is missing', WHOLE_FOLDER, cause);
}

/** Writes JSON aside, to the disk, then renames it. */
export function writeJson(path: string, value: unknown): Promise<FileSum> {
  return writeAside(path, (writer) => writer.write(Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`)));
}
