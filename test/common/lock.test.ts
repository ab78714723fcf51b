import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test, vi } from 'vitest';
import { type Holder, holderRemedy, holdingLock, takeLock } from '../../src/common/lock.js';
import { packageFolder } from '../../src/common/package.js';

const folder = mkdtempSync(join(tmpdir(), 'polycom-lock-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});
const path = join(folder, 'lock');

/** The entry of a process, as it would leave it. */
function enter(host: string, pid: number, began = ''): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, [host, pid, began, 'x'].map(encodeURIComponent).join()), '');
}

/** A process that does this with `holdingLock`, `takeLock` and `path`. */
function start(code: string): ChildProcess {
  const script = join(folder, 'holder.mts');
  const from = JSON.stringify(join(packageFolder, 'src/common/lock.ts'));
  writeFileSync(
    script,
    `import { appendFileSync } from 'node:fs';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { holdingLock, takeLock } from ${from};
    const path = ${JSON.stringify(path)};
    ${code}`,
  );
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

const reading = (child: ChildProcess): Promise<string> =>
  once(child.stdout!.setEncoding('utf8'), 'data').then(([text]) => (text as string).trim());

test('a lock lets one in at a time, and is gone after', async () => {
  let inside = 0;
  const work = async (): Promise<number> => {
    expect(++inside).toBe(1);
    await sleep(20);
    return inside--;
  };
  expect(await Promise.all([1, 2, 3].map(() => holdingLock(path, work)))).toEqual([1, 1, 1]);
  await expect(holdingLock(path, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(existsSync(path)).toBe(false);
});

test('who holds it is told, and by a kill it is free, also while the killed process is yet to be waited for', async () => {
  const holder = start(`await takeLock(path); console.log('in'); setInterval(() => undefined, 1000);`);
  expect(await reading(holder)).toBe('in');
  expect(await takeLock(path, 0)).toMatchObject({ pid: holder.pid, host: hostname() });
  // Stopped, it lives.
  holder.kill('SIGSTOP');
  expect(await takeLock(path, 0)).toMatchObject({ pid: holder.pid });
  holder.kill('SIGKILL');
  const taken = await takeLock(path);
  expect(taken).toBeTypeOf('function');
  expect(await takeLock(path, 0), 'another part of this process').toMatchObject({ pid: process.pid });
  (taken as () => void)();
  expect(existsSync(path)).toBe(false);
});

test('a dead process is told from one that has its number now', async () => {
  enter(hostname(), spawnSync(process.execPath, ['--version']).pid);
  expect(await holdingLock(path, () => Promise.resolve('in'))).toBe('in');
  // This process's own number, as a container gives it to each that it begins with.
  enter(hostname(), process.pid, 'an-earlier-boot.1');
  expect(await holdingLock(path, () => Promise.resolve('in'))).toBe('in');
});

test('a dead process of an earlier boot is told from one that has its number now', async (context) => {
  if (!existsSync('/proc/self/stat')) context.skip('there is no /proc');
  enter(hostname(), process.ppid, 'an-earlier-boot.1');
  expect(await holdingLock(path, () => Promise.resolve('in'))).toBe('in');
});

test('a process on another machine counts for as long as it is heard of, and a file that is no entry does not', async () => {
  mkdirSync(path);
  writeFileSync(join(path, '.nfs000000000000001'), '');
  const taken = await takeLock(path, 0);
  expect(taken).toBeTypeOf('function');
  (taken as () => void)();
  rmSync(path, { recursive: true });
  enter('another, machine', 2147483646);
  const holder = await takeLock(path, 0);
  expect(holder).toMatchObject({ pid: 2147483646, host: 'another, machine' });
  expect(holderRemedy(holder as Holder, path)).toMatch(/remove .*lock, or wait 5 minutes/);
  // A container that was killed comes back under another name: its entry is not written to any more.
  const [entry] = readdirSync(path);
  const ago = (minutes: number): void => {
    const time = Date.now() / 1000 - 60 * minutes;
    utimesSync(join(path, entry!), time, time);
  };
  ago(4);
  expect(await takeLock(path, 0)).toMatchObject({ host: 'another, machine' });
  ago(6);
  const free = await takeLock(path, 0);
  expect(free).toBeTypeOf('function');
  expect(readdirSync(path)).toHaveLength(1);
  (free as () => void)();
});

test('who holds a lock is heard of again and again', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const taken = (await takeLock(path, 0)) as () => void;
  const [entry] = readdirSync(path);
  const file = join(path, entry!);
  utimesSync(file, 1, 1);
  vi.advanceTimersByTime(20_000);
  expect(Date.now() - statSync(file).mtimeMs).toBeLessThan(60_000);
  taken();
  vi.advanceTimersByTime(60_000);
  expect(existsSync(path)).toBe(false);
  vi.useRealTimers();
});

test('processes that come upon a dead one together have it one after the other', async () => {
  const log = join(folder, 'log');
  const rounds = 40;
  const ids = ['a', 'b', 'c'];
  const ended = ids.map((id) =>
    once(
      start(`
        for (let i = 0; i < ${rounds}; ++i) {
          await holdingLock(path, async () => {
            appendFileSync(${JSON.stringify(log)}, '${id}');
            if (i % 4 === 0) await sleep(1);
            appendFileSync(${JSON.stringify(log)}, '${id}');
          });
          if (i % 3 === 0) {
            const { mkdirSync, writeFileSync } = await import('node:fs');
            try { mkdirSync(path); } catch {}
            try { writeFileSync(path + '/${encodeURIComponent(hostname())},2147483646,,' + i, ''); } catch {}
          }
        }
      `),
      'close',
    ),
  );
  expect((await Promise.all(ended)).map(([status]) => status)).toEqual([0, 0, 0]);
  const entries = readFileSync(log, 'utf8');
  expect(entries).toHaveLength(2 * rounds * ids.length);
  expect(entries, 'no two at once').toMatch(/^(aa|bb|cc)+$/);
  expect(readdirSync(folder).filter((name) => name.startsWith('lock')).length).toBeLessThanOrEqual(1);
}, 120_000);
