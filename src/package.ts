import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** This package's folder: the parent of `src`, or of `dist` once compiled. */
export const packageFolder: string = fileURLToPath(new URL('..', import.meta.url));

/** This package's version. */
export const packageVersion: string = JSON.parse(
  readFileSync(`${packageFolder}/package.json`, 'utf8'),
).version;
