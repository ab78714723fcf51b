import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { typed } from './file-error.js';
import { sayOnce } from './notice.js';
import { isRunning } from './store.js';

/** A process that holds a lock. */
export interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Tells it from another that has its number later: the boot of its machine, and the tick at which it began. */
  readonly began: string;
}

/** The entries of this process, with what keeps each of them fresh. */
const own = new Map<string, NodeJS.Timeout>();
/** An entry is written to so often, in milliseconds. */
const BEAT_MS = 15_000;
/**
 * Milliseconds without a beat after which a process on another machine counts as dead. A container that is begun anew
 * has another host name, and must not wait for ever for the one that was killed.
 */
const SILENT_MS = 300_000;
/** Milliseconds after which waiting for a lock is worth a word. */
const LONG_MS = 5000;

/**
 * Takes a lock, unless another process has it, or another part of this one. A lock is a folder: who wants it puts an
 * entry of his own into it, by a name that no other has, and has the lock where he then sees no other that lives. An entry
 * is removed by its own process, or by any once that has died; so two that find a dead one's lock never both have it.
 *
 * Of a process on another machine, which may share the folder, it cannot be seen whether it lives: its entry counts
 * until it has not been written to for five minutes, by the clock of the file system.
 *
 * @param path of the lock; the folder around it is there
 * @param patience milliseconds to wait: one that has just been killed, or its child, may need a moment
 * @returns what gives it back; or who has it
 * @throws {PolycomError} `FILE_ERROR` where the system refuses
 */
export async function takeLock(path: string, patience: number = 2000): Promise<(() => void) | Holder> {
  const until = performance.now() + patience;
  for (;;) {
    const found = await typed(path, 'write', async () => attempt(path));
    if (typeof found === 'string') return () => release(path, found);
    if (performance.now() >= until) return found;
    // By chance, so that two who saw each other do not meet again.
    await sleep(20 + 80 * Math.random());
  }
}

/** Runs `work` while no other process holds this lock. One that a dead process held is taken over. */
export async function holdingLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  let taken = await takeLock(path, LONG_MS);
  while (typeof taken !== 'function') {
    sayOnce(`waiting for ${holderName(taken)}; ${holderRemedy(taken, path)}`);
    taken = await takeLock(path, LONG_MS);
  }
  try {
    return await work();
  } finally {
    taken();
  }
}

/** A holder as people are told of it. */
export function holderName({ pid, host }: Holder): string {
  return `process ${pid} on ${host}`;
}

/** What to do about a lock whose holder is not there. */
export function holderRemedy({ host }: Holder, path: string): string {
  const wait = host === hostname() ? '' : `, or wait ${SILENT_MS / 60_000} minutes from its end`;
  return `if there is no such process, remove ${path}${wait}`;
}

/** Puts an entry in and looks whether it is alone there: its name, or else who has the lock. */
function attempt(path: string): string | Holder {
  const self = { pid: process.pid, host: hostname(), began: beginningOf(process.pid) ?? '' };
  const name = [self.host, self.pid, self.began, Math.random().toString(36).slice(2)].map(escaped).join();
  while (!put(path, name));
  own.set(name, setInterval(beat, BEAT_MS, join(path, name)).unref());
  for (const other of readdirSync(path)) {
    const holder = other === name ? undefined : holderOf(other);
    if (holder === undefined) continue;
    if (holder.host === self.host ? isLiving(holder, other) : !isSilent(path, other, name)) {
      release(path, name);
      return holder;
    }
    rmSync(join(path, other), { force: true });
  }
  return name;
}

/** Makes an entry, and the lock's folder; false where its last holder has removed that in between. */
function put(path: string, name: string): boolean {
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  try {
    closeSync(openSync(join(path, name), 'wx'));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR')
      rmSync(path, { force: true }); // a lock was a file once
    else if (code !== 'ENOENT') throw error;
    return false;
  }
}

/** Shows other machines that this process lives. */
function beat(entry: string): void {
  try {
    // Not a time of this machine's clock; and what has been removed is not made again.
    writeFileSync(entry, '.', { flag: 'r+' });
  } catch {
    // The folder has gone, or the file server does not answer: the next beat may come through.
  }
}

/** Whether an entry is older than one that was just made by more than beats can be apart. */
function isSilent(path: string, other: string, fresh: string): boolean {
  try {
    const [last, now] = [other, fresh].map((name) => statSync(join(path, name)).mtimeMs);
    return now! - last! > SILENT_MS;
  } catch {
    return true; // it has been given back meanwhile
  }
}

function release(path: string, name: string): void {
  clearInterval(own.get(name));
  own.delete(name);
  rmSync(join(path, name), { force: true });
  try {
    rmdirSync(path);
  } catch {
    // Others are in it.
  }
}

function escaped(part: string | number): string {
  return encodeURIComponent(part);
}

/** The holder that an entry names; nothing of a file that is none, such as one that NFS keeps. */
function holderOf(name: string): Holder | undefined {
  const [host, pid, began, random] = name.split(',');
  if (random === undefined || !/^\d+$/.test(pid!)) return undefined;
  return { host: decodeURIComponent(host!), pid: Number(pid), began: decodeURIComponent(began!) };
}

/** Whether a process of this machine lives. */
function isLiving({ pid, began }: Holder, name: string): boolean {
  if (pid === process.pid) return own.has(name);
  if (!isRunning(pid)) return false;
  const found = beginningOf(pid);
  return found === undefined || found === began;
}

/**
 * The boot of the machine and the tick at which a process began; `dead` of one that has ended and is yet to be waited for,
 * and nothing where the system does not tell.
 */
function beginningOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
    // Its name may have spaces and brackets.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return 'ZX'.includes(fields[0]!) ? 'dead' : `${boot}.${fields[19]}`;
  } catch {
    return undefined;
  }
}
