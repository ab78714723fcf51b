import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageFolder, packageVersion, requireHere } from '../common/package.js';
import type { Facts } from './types.js';

/** This package, and the one that loads its library. */
export function findPackage(): Facts['package'] {
  return { version: packageVersion, folder: packageFolder, koffi: versionOf('koffi') };
}

/** A dependency's version, without loading it: not every package exports its package.json. */
function versionOf(name: string): string {
  let folder = dirname(requireHere.resolve(name));
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
}
