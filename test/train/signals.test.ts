import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { Workshop } from '../cli/harness.js';
import { logOf } from './harness.js';
import { env, POLYCOM, Running, started, stepsOf, training } from './running.js';

const shop = new Workshop();
afterAll(() => rmSync(shop.folder, { recursive: true }));

const checkpointsOf = (run: string): string[] => readdirSync(run).filter((name) => name.startsWith('step-'));

test('a Ctrl-C that comes again later ends at once', async () => {
  const code = `
    import { StopSignals } from ${JSON.stringify(join(packageFolder, 'src/train/stop-signals.ts'))};
    const { signal } = new StopSignals('it is saved');
    setInterval(() => undefined, 1000);
    signal.addEventListener('abort', () => setTimeout(() => process.kill(process.pid, 'SIGINT'), 1100));
    process.kill(process.pid, 'SIGINT');
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', shop.write('again.mts', code)], {
    cwd: packageFolder,
  });
  started.push(child);
  const [, signal] = await once(child, 'close');
  expect(signal).toBe('SIGINT');
});

describe('training saves its step, and ends', () => {
  test.each<[NodeJS.Signals, number, ...string[]]>([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGUSR1', 138],
    ['SIGUSR2', 140],
    ['SIGALRM', 142, '--save-signal', 'SIGALRM'],
  ])('at a %s, with %i', async (signal, status, ...options) => {
    const out = shop.path(signal);
    const running = new Running(training(out, ...options));
    await running.until(() => stepsOf(out) >= 2);
    running.child.kill(signal);
    expect(await running.ended(), running.stderr).toEqual([status, null]);
    expect(running.stderr).toContain(`${signal}: the step is finished and saved`);
    expect(running.stderr).not.toMatch(/debugger/i);
    const [, saved] = /saved \S*step-(\d+); the same command goes on\n$/.exec(running.stdout) ?? [];
    expect(Number(saved)).toBe(stepsOf(out));
  });

  test('in an evaluation that would take hours', async () => {
    const out = shop.path('evaluating');
    const running = new Running(training(out, '--eval-every', '1', '--eval-batches', '1000000'));
    await running.until(() => stepsOf(out) >= 1);
    running.child.kill('SIGTERM');
    expect(await running.ended(), running.stderr).toEqual([143, null]);
    expect(checkpointsOf(out)).toEqual(['step-00000001']);
    expect(logOf(out, 'eval')).toEqual([]);
  });

  test('whatever comes in addition: a second hang-up, an npx that passes a Ctrl-C on', async () => {
    const out = shop.path('again');
    const running = new Running(training(out, '--eval-every', '1', '--eval-batches', '1000000'));
    await running.until(() => stepsOf(out) >= 1);
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const) {
      running.child.kill(signal);
      await sleep(1);
    }
    expect(await running.ended(), running.stderr).toEqual([129, null]);
    expect(checkpointsOf(out)).toEqual(['step-00000001']);
  });

  test('where nobody reads any more: `| tee` had the same Ctrl-C', async () => {
    const out = shop.path('piped');
    const running = new Running(training(out));
    await running.until(() => stepsOf(out) >= 2);
    running.child.stdout.destroy();
    running.child.stderr.destroy();
    running.child.kill('SIGINT');
    const [status] = await once(running.child, 'exit');
    expect(status).toBe(130);
    expect(checkpointsOf(out)).toHaveLength(1);
  });
});

const fifo = shop.path('prompt');
const fifos = spawnSync('mkfifo', [fifo]).status === 0;
if (!fifos) console.warn('skipped: a signal before there is anything to save: no mkfifo');

test.skipIf(!fifos)(
  'a SIGUSR1 before there is anything to save ends the process: no debugger opens',
  async () => {
    const running = new Running(['generate', '--model', 'none', '--prompt-file', fifo]);
    const writer = await open(fifo, 'w'); // waits until it reads
    running.child.kill('SIGUSR1');
    const ended = await running.ended();
    await writer.close();
    expect(running.stderr).not.toMatch(/debugger/i);
    expect(ended).toEqual([null, 'SIGUSR1']);
  },
);

/** Trains on a terminal of its own, which hangs up after two steps: argv are a log and the command. */
const HANG_UP = `
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[2], sys.argv[2:])
os.set_blocking(terminal, False)
while True:
    try: os.read(terminal, 65536)
    except BlockingIOError: pass
    try:
        with open(sys.argv[1]) as log:
            if log.read().count('"kind":"step"') >= 2: break
    except FileNotFoundError: pass
    time.sleep(0.01)
os.close(terminal)
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status))
`;
const python = spawnSync('python3', ['-c', 'import pty, os; os.waitstatus_to_exitcode']).status === 0;
if (!python) console.warn('skipped: a terminal that hangs up: no python3 of 3.9 or newer');

test.skipIf(!python)('a terminal that hangs up takes no step with it', () => {
  const out = shop.path('hung-up');
  const command = [process.execPath, ...POLYCOM, ...training(out)];
  const args = ['-c', HANG_UP, join(out, 'log.jsonl'), ...command];
  const { stdout, stderr } = spawnSync('python3', args, { cwd: packageFolder, env, encoding: 'utf8' });
  expect(stdout.trim(), stderr).toBe('129');
  expect(checkpointsOf(out)).toHaveLength(1);
});
