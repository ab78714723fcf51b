import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { arch, availableParallelism, cpus, release, type } from 'node:os';
import { runCommand } from '../common/command.js';
import { packageFolder } from '../common/package.js';
import { memoryBytes } from './shapes.js';
import type { Machine } from './types.js';

/** What this machine is, without what would name it. */
export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? arch(),
    cpus: availableParallelism(),
    memory_gb: Math.round(memoryBytes() / 1e9),
    os: `${operatingSystem()} ${arch()}`,
    cache_mb: Math.round(cacheBytes() / 2 ** 20),
  };
}

/** The size of the largest cache; a guess where the system does not say. */
export function cacheBytes(): number {
  const folder = '/sys/devices/system/cpu/cpu0/cache';
  try {
    const sizes = readdirSync(folder)
      .filter((name) => name.startsWith('index'))
      .map((name) => Number.parseInt(readFileSync(`${folder}/${name}/size`, 'utf8'), 10) * 1024);
    return Math.max(...sizes);
  } catch {
    return 32 << 20;
  }
}

/**
 * The commit of this package's checkout, with `-dirty` where files other than results have changed. None for an
 * installed package: a repository around it is someone else's.
 */
export async function currentCommit(folder: string = packageFolder): Promise<string | undefined> {
  const git = (...args: string[]) => runCommand('git', ['-C', folder, ...args]);
  const top = await git('rev-parse', '--show-toplevel');
  if (top.status !== 0 || realpathSync(top.stdout.trim()) !== realpathSync(folder)) return undefined;
  const head = await git('rev-parse', '--short=12', 'HEAD');
  if (head.status !== 0) return undefined;
  const changes = await git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!bench/results');
  return `${head.stdout.trim()}${changes.stdout.trim() === '' ? '' : '-dirty'}`;
}

function operatingSystem(): string {
  try {
    const name = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
    if (name !== undefined) return name;
  } catch {
    // Not a Linux that says so.
  }
  return `${type()} ${release()}`;
}
