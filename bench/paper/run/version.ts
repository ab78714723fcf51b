import { createRequire } from 'node:module';

/** The version of the package that the experiments run on. */
export const polycomVersion: string = createRequire(import.meta.url)('polycom/package.json').version;
