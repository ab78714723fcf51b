import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder of a file system of its own. */
export interface Mounted {
  readonly folder: string;
  /** Unmounts it. */
  release(): void;
}

/** Mounts an empty file system that is read-only, or skips the test with the reason. */
export function readOnlyFolder(skip: (reason: string) => void): Mounted {
  return mounted('ro,size=64k', skip);
}

/** Mounts an empty file system of so many kilobytes, or skips the test with the reason. */
export function smallFolder(kilobytes: number, skip: (reason: string) => void): Mounted {
  return mounted(`size=${kilobytes}k`, skip);
}

function mounted(options: string, skip: (reason: string) => void): Mounted {
  const folder = mkdtempSync(join(tmpdir(), 'polycom-mount-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', folder]);
  if (status !== 0) {
    rmdirSync(folder);
    skip('mounting a file system is not permitted here');
  }
  return {
    folder,
    release: () => {
      spawnSync('umount', [folder]);
      rmdirSync(folder);
    },
  };
}
