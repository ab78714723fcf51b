import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { CudaChoice } from './cmake.js';
import type { Recipe } from './recipe.js';

const STAMP = 'polycom-build.json';

/** What a folder is configured for, and what came of it; its sources are those of the last build that came to its end. */
export type Stamp = Recipe & { readonly cuda?: CudaChoice };

/** What the manifest of a library in the cache says. */
export interface StoredBuild {
  readonly recipe: Recipe;
  readonly cuda?: CudaChoice;
}

/** The stamp of a folder that a library is compiled in; none in a new one. */
export function readStamp(folder: string): Stamp | undefined {
  return readJson<Stamp>(join(folder, STAMP));
}

export function writeStamp(folder: string, stamp: Stamp): void {
  writeFileSync(join(folder, STAMP), JSON.stringify(stamp));
}

/** What the build of a library chose as to CUDA, as it was kept beside it; nothing for a library from elsewhere. */
export function choiceOf(library: string): CudaChoice | undefined {
  const folder = dirname(library);
  const stored = readJson<{ readonly about?: StoredBuild }>(join(folder, 'manifest.json'))?.about;
  if (stored !== undefined) return stored.cuda;
  return basename(folder) === 'Release' ? readStamp(dirname(folder))?.cuda : undefined;
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
