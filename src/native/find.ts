import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder, packageVersion, requireHere } from '../common/package.js';
import { cacheDirectory } from '../common/user-cache.js';

/** The file name of the native library on this platform. */
export const libraryFile: string = process.platform === 'darwin' ? 'libpolycom.dylib' : 'libpolycom.so';

/** The file name of the addon, which lies beside the library. */
export const addonFile = 'polycom.node';

/** Where `polycom build` puts the library that it compiles, apart for each version of the package. */
export function builtLibraryFolder(): string {
  return cacheDirectory('native', `${packageVersion}-${process.platform}-${process.arch}`);
}

/**
 * Where the native library may lie, best first: what `POLYCOM_LIBRARY` names, and then nothing else; or this folder's
 * own build, the platform's package, the user's cache. Only files that exist.
 */
export function libraryCandidates(): string[] {
  const named = process.env.POLYCOM_LIBRARY;
  if (named !== undefined && named !== '') return [named];
  return [
    join(packageFolder, 'build', 'Release', libraryFile),
    platformPackageLibrary(),
    join(builtLibraryFolder(), libraryFile),
  ].filter((path) => path !== undefined && existsSync(path)) as string[];
}

function platformPackageLibrary(): string | undefined {
  try {
    const name = `polycom-${process.platform}-${process.arch}`;
    return requireHere.resolve(`${name}/${libraryFile}`);
  } catch {
    return undefined;
  }
}
