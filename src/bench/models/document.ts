import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PolycomError } from '../../common/errors.js';
import { readTextSync } from '../../common/text.js';
import { isRecord, readDocument, wrongWithin } from '../document.js';
import type { BenchDocument } from '../types.js';
import type { ModelDocument } from './types.js';

const MODEL_BENCHES = ['train', 'generate'];
const BENCHES = ['activations', ...MODEL_BENCHES];

/** Whether a document is of models, not of activations. */
export function isModelDocument(document: BenchDocument | ModelDocument): document is ModelDocument {
  return MODEL_BENCHES.includes(document.bench);
}

/**
 * Reads a document that any of the benchmarks wrote.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a file that is missing, no JSON, or another document
 */
export function readAnyDocument(file: string): BenchDocument | ModelDocument {
  const value = parsed(file);
  if (!MODEL_BENCHES.some((name) => name === value?.bench)) return readDocument(file);
  const wrong = wrongWithin(value!, isRow);
  if (wrong === undefined) return value as unknown as ModelDocument;
  throw new PolycomError('INVALID_ARGUMENT', `${file}: ${wrong}`, {
    remedy: `give a file that polycom bench ${value!.bench} --json wrote`,
  });
}

/**
 * Reads a document, or those in a folder of results, in the order of their names; its other files are left alone.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` as {@link readAnyDocument}, and for a folder without one
 */
export function readDocuments(path: string): (BenchDocument | ModelDocument)[] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [readAnyDocument(path)];
  const files = readdirSync(path)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(path, name));
  const documents = files.filter((file) => BENCHES.some((name) => name === parsed(file)?.bench));
  if (documents.length > 0) return documents.map(readAnyDocument);
  throw new PolycomError('INVALID_ARGUMENT', `the folder ${path} has no document of a benchmark`, {
    remedy: 'give a folder that npm run gpu:check wrote, or a file of polycom bench activations --json',
  });
}

/** The file's object; undefined where readDocument will say what is wrong. */
function parsed(file: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readTextSync(file));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRow(row: unknown): row is object {
  if (!isRecord(row) || typeof row.ok !== 'boolean') return false;
  const texts = ['preset', 'activation', 'variant', 'backend'];
  const numbers = ['batch', 'parameters', ...(row.ok ? ['ms_p20', 'ms_p50', 'ms_p80', 'tok_per_s'] : [])];
  return (
    texts.every((name) => typeof row[name] === 'string') &&
    numbers.every((name) => Number.isFinite(row[name]))
  );
}
