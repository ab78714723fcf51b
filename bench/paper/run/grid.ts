import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { flopsPerToken } from 'polycom/train';
import { idOf } from '../plan/specs.js';
import type { RunResult, RunSpec } from '../types.js';
import type { FromWorker, ToWorker } from './messages.js';
import type { RunStore } from './store.js';

/** How runs are carried out. */
export interface GridOptions {
  readonly store: RunStore;
  /** Processes at once. */
  readonly workers: number;
  /** CPU threads of each; without it, as many as it likes. */
  readonly threads?: number;
  /** Where the texts lie, by their hashes. */
  readonly paths?: ReadonlyMap<string, string>;
  /** When aborted, the runs in hand are saved and left. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: GridProgress) => void;
}

/** How far a grid is. */
export interface GridProgress {
  readonly finished: number;
  readonly total: number;
  /** An estimate from the work done so far; none at first. */
  readonly secondsLeft?: number;
  /** The run that has just finished, or failed for a reason. */
  readonly last?: { readonly spec: RunSpec } & ({ readonly result: RunResult } | { readonly reason: string });
}

/** What a grid came to. */
export interface GridResult {
  /** Of every run that is finished, by id. */
  readonly results: ReadonlyMap<string, RunResult>;
  /** Runs that this call began or went on with. */
  readonly started: readonly string[];
  readonly failures: readonly { readonly id: string; readonly reason: string }[];
  /** Whether its signal ended it before all runs were finished. */
  readonly interrupted: boolean;
}

/**
 * Carries out runs in processes of their own, several at once, and keeps each in the store as it finishes. Those that are
 * finished already are not repeated, and those that were interrupted go on; so the same call may be made again after a
 * kill at any moment. A run that fails leaves the others alone.
 */
export async function runGrid(specs: readonly RunSpec[], options: GridOptions): Promise<GridResult> {
  const grid = new Grid(specs, options);
  return await grid.run();
}

/** The arithmetic that a CPU does in the time that a block of a small model takes beside its own. */
const BLOCK_OVERHEAD = 1e8;

/** The work of a run, in floating-point operations. */
export function workOf({ config, settings }: RunSpec): number {
  const { steps, batch, time } = settings;
  const overhead = BLOCK_OVERHEAD * config.layers * (1 + 2 * (config.experts?.count ?? 0));
  return steps * (batch * time * flopsPerToken(config, time) + overhead);
}

class Grid {
  readonly #options: GridOptions;
  readonly #specs: ReadonlyMap<string, RunSpec>;
  readonly #results = new Map<string, RunResult>();
  readonly #queue: string[];
  readonly #started: string[] = [];
  readonly #failures: { id: string; reason: string }[] = [];
  readonly #children = new Set<ChildProcess>();
  /** The share of a run that is done, of those in hand. */
  readonly #shares = new Map<string, number>();
  readonly #began = performance.now();
  /** Work of runs that this call has finished. */
  #done = 0;

  constructor(specs: readonly RunSpec[], options: GridOptions) {
    this.#options = options;
    this.#specs = new Map(specs.map((spec) => [idOf(spec), spec]));
    for (const [id, spec] of this.#specs) {
      const result = options.store.result(spec);
      if (result !== undefined) this.#results.set(id, result);
    }
    const left = [...this.#specs].filter(([id]) => !this.#results.has(id));
    // Those that have begun first, then the longest: the last ones to end should be short.
    const order = left.map(([id, spec]) => ({
      id,
      begun: options.store.hasBegun(spec) ? 1 : 0,
      work: workOf(spec),
    }));
    order.sort((a, b) => b.begun - a.begun || b.work - a.work);
    this.#queue = order.map(({ id }) => id);
  }

  async run(): Promise<GridResult> {
    const { workers, signal } = this.#options;
    const stop = (): void => {
      for (const child of this.#children) tell(child, { kind: 'stop' });
    };
    signal?.addEventListener('abort', stop);
    try {
      this.#progress();
      const count = Math.min(workers, this.#queue.length);
      await Promise.all(Array.from({ length: count }, () => this.#keepWorking()));
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    return {
      results: this.#results,
      started: this.#started,
      failures: this.#failures,
      interrupted: signal?.aborted === true && this.#results.size < this.#specs.size,
    };
  }

  /** A worker, and another one after it where it crashed, until nothing is left to do. */
  async #keepWorking(): Promise<void> {
    while (this.#queue.length > 0 && !this.#options.signal?.aborted) await this.#work();
  }

  async #work(): Promise<void> {
    const { threads } = this.#options;
    const script = fileURLToPath(new URL('./worker-main.ts', import.meta.url));
    const env = { ...process.env, ...(threads === undefined ? {} : threadsOf(threads)) };
    const child = fork(script, [], { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#children.add(child);
    let inHand: string | undefined;
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-4096);
    });
    child.on('message', (message: FromWorker) => {
      if (message.kind === 'step') {
        this.#shares.set(message.id, message.step / this.#specs.get(message.id)!.settings.steps);
        this.#progress();
        return;
      }
      if (message.kind === 'failed') this.#fail(message.id, message.reason);
      if (message.kind === 'ended' && message.finished) this.#finish(message.id);
      inHand = this.#next(child);
    });
    const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      child.on('close', (...how) => resolve(how));
      child.on('error', (error) => {
        stderr += `\n${error.message}`;
        resolve([1, null]);
      });
    });
    this.#children.delete(child);
    if (inHand === undefined && status === 0) return;
    // A signal to all processes may end one that has not begun to listen: its run is for the next call.
    if (inHand === undefined && this.#options.signal?.aborted) return;
    // A worker that never was ready takes the first run with it, or none would ever be given up.
    const id = inHand ?? this.#queue.shift();
    const lastLine = stderr.trim().split('\n').at(-1);
    const reason = `the worker ended with ${signal ?? `status ${status}`}: ${lastLine}`;
    if (id !== undefined) this.#fail(id, reason);
  }

  /** Gives a worker its next run, or lets it end. */
  #next(child: ChildProcess): string | undefined {
    const id = this.#options.signal?.aborted ? undefined : this.#queue.shift();
    if (id === undefined) {
      tell(child, { kind: 'end' });
      return undefined;
    }
    const spec = this.#specs.get(id)!;
    const path = spec.data.kind === 'text' ? this.#options.paths?.get(spec.data.hash) : undefined;
    this.#started.push(id);
    const { folder } = this.#options.store;
    tell(child, { kind: 'run', id, spec, store: folder, ...(path === undefined ? {} : { path }) });
    return id;
  }

  #finish(id: string): void {
    const spec = this.#specs.get(id)!;
    const result = this.#options.store.result(spec);
    if (result === undefined) {
      this.#fail(id, 'its result cannot be read');
      return;
    }
    this.#results.set(id, result);
    this.#shares.delete(id);
    this.#done += workOf(spec);
    this.#progress({ spec, result });
  }

  #fail(id: string, reason: string): void {
    this.#failures.push({ id, reason });
    this.#shares.delete(id);
    this.#progress({ spec: this.#specs.get(id)!, reason });
  }

  #progress(last?: GridProgress['last']): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return;
    const specs = [...this.#specs];
    const left = specs.filter(([id]) => !this.#results.has(id));
    const inHand = [...this.#shares].reduce(
      (sum, [id, share]) => sum + share * workOf(this.#specs.get(id)!),
      0,
    );
    const done = this.#done + inHand;
    const remaining = left.reduce((sum, [, spec]) => sum + workOf(spec), 0) - inHand;
    const elapsed = (performance.now() - this.#began) / 1000;
    onProgress({
      finished: this.#results.size,
      total: this.#specs.size,
      ...(done > 0 ? { secondsLeft: (remaining * elapsed) / done } : {}),
      ...(last === undefined ? {} : { last }),
    });
  }
}

function tell(child: ChildProcess, message: ToWorker): void {
  if (child.connected) child.send(message);
}

/** What keeps TensorFlow, oneDNN and this package's kernels to so many threads. */
function threadsOf(threads: number): NodeJS.ProcessEnv {
  const names = ['TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS', 'OMP_NUM_THREADS', 'POLYCOM_THREADS'];
  return Object.fromEntries(names.map((name) => [name, String(threads)]));
}
