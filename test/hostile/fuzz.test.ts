import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { Told } from './fuzzer.js';

const seconds = Number(process.env.POLYCOM_FUZZ_SECONDS ?? 60);
const seed = Number(process.env.POLYCOM_FUZZ_SEED ?? 1);
/** The first case, to try one again that failed. */
const first = Number(process.env.POLYCOM_FUZZ_CASE ?? 0);

/** A case may take so much: of a processor's time, and of memory beside what there was before. */
const [MOST_MS, MOST_MIB] = [2000, 500];
/** A case that says nothing for so long hangs, however busy the machine is. */
const HANG_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), 'polycom-hostile-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** What came of the cases from `from` on: until time is up, or one ends the process. */
interface Round {
  readonly done: readonly Told[];
  /** The one that ended it, or that hung. */
  readonly fatal?: string;
  readonly next: number;
}

async function runFrom(from: number, until: number): Promise<Round> {
  const program = fileURLToPath(new URL('fuzzer.ts', import.meta.url));
  const args = ['--max-old-space-size=512', '--import', import.meta.resolve('tsx'), program];
  const child = spawn(process.execPath, [...args, folder, String(seed), String(from)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, POLYCOM_CACHE: join(folder, 'cache'), POLYCOM_QUIET: '1' },
  });
  children.push(child);
  let said = '';
  child.stderr!.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2000);
  });
  const done: Told[] = [];
  let [current, isOver]: [Told | undefined, boolean] = [undefined, false];
  const hang = setTimeout(() => child.kill('SIGKILL'), HANG_MS);
  const closed = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout! })) {
    hang.refresh();
    const told = JSON.parse(line) as Told;
    if (told.outcome === undefined) current = told;
    else {
      done.push({ ...current, ...told });
      current = undefined;
      isOver = performance.now() > until || told.mib! > MOST_MIB;
      if (isOver) child.kill('SIGKILL');
    }
  }
  clearTimeout(hang);
  await closed;
  const next = (current?.case ?? done.at(-1)?.case ?? from) + 1;
  if (isOver) return { done, next };
  return {
    done,
    next,
    fatal: `case ${current?.case}: ${current?.what}: it hung or ended the process: ${said}`,
  };
}

/** What is wrong with a case that ended. */
function wrongOf({ case: number, what, why, cpuMs, mib }: Told): string[] {
  const wrong = [
    ...(why === undefined ? [] : [why]),
    ...(cpuMs! > MOST_MS ? [`${cpuMs} ms`] : []),
    ...(mib! > MOST_MIB ? [`${mib} MiB`] : []),
  ];
  return wrong.map((text) => `case ${number}: ${what}: ${text}`);
}

if (seconds === 0) console.warn('skipped: fuzzing of loaders: POLYCOM_FUZZ_SECONDS is 0');
test.skipIf(seconds === 0)(
  'a damaged file is refused with a typed error or read rightly, in little time and memory',
  async () => {
    const until = performance.now() + seconds * 1000;
    const failures: string[] = [];
    const count = { refused: 0, accepted: 0, wrong: 0 };
    for (let from = first; performance.now() < until && failures.length < 20; ) {
      const { done, fatal, next } = await runFrom(from, until);
      from = next;
      for (const told of done) {
        ++count[told.outcome!];
        failures.push(...wrongOf(told));
      }
      if (fatal !== undefined) failures.push(fatal);
    }
    const told = `${count.refused} refused, ${count.accepted} accepted`;
    console.log(
      `fuzz of loaders: seed ${seed}, ${seconds} s, ${told} (POLYCOM_FUZZ_SEED, POLYCOM_FUZZ_SECONDS)`,
    );
    expect(failures.join('\n')).toBe('');
    expect(count.refused).toBeGreaterThan(0);
    expect(count.accepted).toBeGreaterThan(0);
  },
  (seconds + 180) * 1000,
);
