import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { latest, loadCheckpoint } from '../../src/checkpoint/folder.js';
import { temporaryFolder } from './folders.js';

const KILLS = 50;
/** Children that start while others run: most of a round is the start of Node. */
const AHEAD = 3;

interface Saver {
  readonly child: ChildProcess;
  /** Every line that it has written. */
  readonly lines: string[];
  /** Waits until it has written so many. */
  wrote(count: number): Promise<void>;
}

const savers: Saver[] = [];
afterAll(() => {
  for (const { child } of savers) child.kill('SIGKILL');
});

function startSaver(run: string): Saver {
  const program = fileURLToPath(new URL('saver.ts', import.meta.url));
  const args = ['--import', import.meta.resolve('tsx'), program, run];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const reader = createInterface(child.stdout!).on('line', (line) => lines.push(line));
  const wrote = async (count: number) => {
    while (lines.length < count) await once(reader, 'line');
  };
  return { child, lines, wrote };
}

/** Numbers from 0 to 1, the same in each run of the tests. */
function* randoms(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Lets a saver save so many steps, kills it some ms later, and gives the last step that it said it had saved. */
async function runAndKill({ child, lines, wrote }: Saver, steps: number, ms: number): Promise<number> {
  await wrote(1);
  child.stdin!.write('go\n');
  await wrote(1 + steps);
  await sleep(ms);
  child.kill('SIGKILL');
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect([status, signal]).toEqual([null, 'SIGKILL']);
  return Number(lines.at(-1) === 'ready' ? 0 : lines.at(-1));
}

test(`a process killed ${KILLS} times while it saves leaves the last checkpoint or the one in hand, whole`, async () => {
  const run = join(temporaryFolder(), 'run');
  const random = randoms(4);
  let last = 0;
  let halfway = 0;
  for (let kill = 0; kill < KILLS; ++kill) {
    while (savers.length < Math.min(AHEAD, KILLS - kill)) savers.push(startSaver(run));
    // Anywhere from its beginning, its loading included; or after a step, that the run gets on.
    const said = await runAndKill(savers.shift()!, kill % 2, random.next().value * 40);
    last = Math.max(last, said);
    if (last > 0 && readdirSync(run).some((name) => name.startsWith('.aside-'))) ++halfway;
    if (last === 0 && (await latest(run)) === undefined) continue;
    const found = await loadCheckpoint(run);
    expect([last, last + 1]).toContain(found.step);
    last = found.step;
    expect(found.state).toEqual({ step: last });
    for (const { data } of [...found.model.values(), ...found.optimizer.values()]) {
      expect(data.every((value) => value === last)).toBe(true);
    }
    const names = readdirSync(run).filter((name) => !/^step-\d{8}$/.test(name));
    expect(names).toEqual([]);
  }
  console.log(`${last} steps saved in ${KILLS} lives; ${halfway} kills met a checkpoint half-written`);
  // Kills that met no saving would show nothing.
  expect(halfway).toBeGreaterThan(KILLS / 10);
  expect(last).toBeGreaterThanOrEqual(KILLS / 2);
}, 300_000);
