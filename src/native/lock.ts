import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Runs `work` while no other process holds this lock file. A lock whose holder has died is taken over. */
export async function holdingLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  while (!take(path)) {
    if (!isHeld(path)) rmSync(path, { force: true });
    else await sleep(100);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

/**
 * Takes a lock file if no other process holds it; one that this process left before, or a dead one, is taken over.
 *
 * @returns what gives it back; or nothing, where another process holds it
 */
export function tryLock(path: string): (() => void) | undefined {
  if (!take(path)) {
    if (isHeld(path) && readFileSync(path, 'utf8') !== String(process.pid)) return undefined;
    rmSync(path, { force: true });
    if (!take(path)) return undefined;
  }
  return () => rmSync(path, { force: true });
}

function take(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether the process that the file names lives. */
function isHeld(path: string): boolean {
  try {
    const holder = readFileSync(path, 'utf8');
    if (holder === '') return true; // being written
    process.kill(Number(holder), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
