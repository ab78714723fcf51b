import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The user's cache folder for this package: what it builds and links outlives `node_modules`.
 * `POLYCOM_CACHE`, else `$XDG_CACHE_HOME/polycom`, else `~/.cache/polycom`.
 */
export function cacheDirectory(...parts: string[]): string {
  const root =
    process.env.POLYCOM_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'polycom');
  return join(root, ...parts);
}
