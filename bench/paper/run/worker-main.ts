/**
 * A worker of the grid: carries out the runs that the process which forked it sends, one after the other, each with the
 * same losses as if it were alone.
 */
import './ignore-signals.js';
import type { Data } from 'polycom/data';
import { openSpec } from '../plan/specs.js';
import type { RunHost, RunSpec } from '../types.js';
import type { FromWorker, ToWorker } from './messages.js';
import { RunStore } from './store.js';
import { polycomVersion } from './version.js';

const send = (message: FromWorker): void => void process.send!(message);

process.on('disconnect', () => process.exit(1));

const { chooseTrainingBackend } = await import('polycom/train');
const { carryOut } = await import('./worker.js');
const { tensorflowStatus } = await import('polycom/tensorflow');
const host = hostOf(await chooseTrainingBackend());
/** Data that earlier runs have had, for those that come: a grid has few of them. */
const opened = new Map<string, Data>();
/** Milliseconds between two messages of how far a run is. */
const TELL_MS = 250;
const stop = new AbortController();

process.on('message', (message: ToWorker) => {
  if (message.kind === 'stop') stop.abort();
  else if (message.kind === 'end') process.exit(0);
  else void work(message);
});
send({ kind: 'ready' });

async function work({ id, spec, store, path }: Extract<ToWorker, { kind: 'run' }>): Promise<void> {
  try {
    const data = await dataOf(spec, path);
    const runs = new RunStore(store);
    const folder = await runs.begin(spec);
    let told = performance.now();
    const onStep = (step: number): void => {
      if (performance.now() < told + TELL_MS) return;
      told = performance.now();
      send({ kind: 'step', id, step });
    };
    const result = await carryOut(spec, data, { folder, host, signal: stop.signal, onStep });
    if (result !== undefined) await runs.finish(result);
    send({ kind: 'ended', id, finished: result !== undefined });
  } catch (error) {
    send({ kind: 'failed', id, reason: error instanceof Error ? error.message : String(error) });
  }
}

function hostOf(backend: string): RunHost {
  const { fused, tensorflow } = tensorflowStatus;
  const version = backend === 'tensorflow' && tensorflow !== undefined ? { tensorflow } : {};
  return { backend, fused: backend === 'tensorflow' && fused, polycom: polycomVersion, ...version };
}

async function dataOf(spec: RunSpec, path?: string): Promise<Data> {
  const key = JSON.stringify([spec.data, path]);
  const found = opened.get(key) ?? (await openSpec(spec.data, path));
  opened.set(key, found);
  return found;
}
