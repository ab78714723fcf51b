import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Ended } from '../../../test/cli/harness.js';
import { fromSources, ROOT } from './runs.js';

/** Runs what `npm run paper --` runs, with the package's sources. */
export function paper(args: readonly string[], env: NodeJS.ProcessEnv = {}): Ended {
  return spawnSync(process.execPath, [...fromSources, join(ROOT, 'bench/paper/main.ts'), ...args], {
    cwd: ROOT,
    env: { ...process.env, POLYCOM_LIBRARY: undefined, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
}
