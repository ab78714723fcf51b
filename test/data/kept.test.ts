import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { byteTokenizer } from '../../src/data/bytes.js';
import { type Data, openData } from '../../src/data/open.js';
import { expectError, folder, fresh, readAll, write } from './harness.js';

const lines = (word: string): string => Array.from({ length: 400 }, (_, i) => `${word} ${i}\n`).join('');
const textOf = ({ train, heldOut }: Data): string =>
  byteTokenizer.decode([...readAll(train), ...readAll(heldOut)]);

test('who reads a text goes on with it when it is edited and opened again', async () => {
  const file = write('kept/edited.txt', lines('first'));
  const first = await openData(file, { shardTokens: 500 });
  first.train.read(0, new Int32Array(1));
  write('kept/edited.txt', lines('second'));
  const second = await openData(file, { shardTokens: 500 });
  expect(second.directory).not.toBe(first.directory);
  expect(textOf(first)).toBe(lines('first'));
  expect(textOf(second)).toBe(lines('second'));
  first.close();
  second.close();
});

test('also in a folder that is named, whose files it has open', async () => {
  const file = write('kept/named.txt', lines('first'));
  const directory = fresh();
  const first = await openData(file, { directory });
  write('kept/named.txt', lines('second'));
  const second = await openData(file, { directory });
  expect(textOf(first)).toBe(lines('first'));
  expect(textOf(second)).toBe(lines('second'));
  first.close();
  second.close();
});

test('the cache keeps a few earlier states, those in use, and none that is new', async () => {
  const path = write('kept/often.txt', 'x');
  const states: Data[] = [];
  const edit = async (): Promise<Data> => {
    writeFileSync(path, lines(`state ${states.length}`));
    const data = await openData(path);
    states.push(data);
    return data;
  };
  const age = (data: Data, hours: number): void => {
    const time = new Date(Date.now() - hours * 3_600_000);
    utimesSync(data.directory!, time, time);
  };
  for (let i = 0; i < 5; ++i) await edit();
  for (const data of states.slice(1)) data.close();
  const there = (): number[] => [...states.keys()].filter((i) => existsSync(states[i]!.directory!));
  expect(there()).toEqual([0, 1, 2, 3, 4]);
  for (const [i, data] of states.entries()) age(data, 10 - i);
  (await edit()).close();
  expect(there()).toEqual([0, 3, 4, 5]);
  expect(textOf(states[0]!)).toBe(lines('state 0'));
  states[0]!.close();
  age(states[5]!, 2);
  (await edit()).close();
  expect(there()).toEqual([4, 5, 6]);
  expect(readdirSync(dirname(states[6]!.directory!)).filter((name) => name.startsWith('.use-'))).toEqual([]);
});

test('the mark of a process that was killed counts for nothing, that of one that runs does', async () => {
  const path = write('kept/marked.txt', lines('a'));
  const first = await openData(path);
  first.close();
  const { directory } = first;
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']);
  await once(child, 'spawn');
  const [mark] = [
    `${dirname(directory!)}/.use-${basename(directory!)}.${(await import('node:os')).hostname()}-${child.pid}-00000000`,
  ];
  writeFileSync(mark!, '');
  const edits = async (word: string): Promise<void> => {
    for (const more of ['1', '2', '3']) {
      write('kept/marked.txt', lines(word + more));
      (await openData(path)).close();
    }
  };
  const old = new Date(Date.now() - 7_200_000);
  utimesSync(directory!, old, old);
  await edits('b');
  expect(existsSync(directory!)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await edits('c');
  expect(existsSync(directory!)).toBe(false);
  expect(existsSync(mark!)).toBe(false);
});

test('a cache that cannot be made is an error, not a wait', async () => {
  const path = write('kept/nowhere.txt', lines('a'));
  vi.stubEnv('POLYCOM_CACHE', join(write('kept/file', ''), 'cache'));
  try {
    await expectError(() => openData(path), /cannot .*kept\/file|kept\/file.*cannot/, 'FILE_ERROR');
    if (existsSync('/proc/self')) {
      vi.stubEnv('POLYCOM_CACHE', '/proc/none');
      await expectError(() => openData(path), /\/proc/, 'FILE_ERROR');
    }
  } finally {
    vi.stubEnv('POLYCOM_CACHE', join(folder, 'cache'));
  }
});
