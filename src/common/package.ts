import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { url } = import.meta;
// A bundle as CommonJS has no import.meta.
const thisFile = url === undefined ? __filename : fileURLToPath(url);

// This file is src/common/package.ts.
const unpackedFolder = join(dirname(thisFile), '..', '..');

/** This package's version, as package.json has it: a bundle has no package.json of ours to read. */
export const packageVersion = '0.1.0';

/** Whether this code has been made part of another program's file, where nothing of the package lies beside it. */
export const isBundled: boolean = !isThisPackage(unpackedFolder);

/**
 * This package's folder: the parent of `src`, or of `dist` once compiled. For code in a bundle, the package that is
 * installed where the bundle lies, or else the bundle's own folder.
 */
export const packageFolder: string = isBundled ? installedFolder() : unpackedFolder;

/** Resolves and loads what this package depends on. */
export const requireHere: NodeJS.Require = createRequire(join(packageFolder, 'package.json'));

function isThisPackage(folder: string): boolean {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name === 'polycom';
  } catch {
    return false;
  }
}

function installedFolder(): string {
  try {
    return dirname(createRequire(thisFile).resolve('polycom/package.json'));
  } catch {
    return dirname(thisFile);
  }
}
