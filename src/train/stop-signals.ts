import { closeSync, fstatSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { STOP_SIGNALS } from '../common/signals.js';

/** What a stream says when nobody is there to read: a terminal that hung up, a pipe whose reader ended. */
const GONE = new Set(['EIO', 'EPIPE', 'ERR_STREAM_DESTROYED']);
/** Those of a person. The others may come several times: of a terminal that closes, its shell and the system each. */
const INSISTENT = new Set<NodeJS.Signals>(['SIGINT', 'SIGTERM']);
/** A Ctrl-C may come twice at once: from the terminal, and passed on by npx. */
const ONCE_MS = 1000;

/** Turns the first signal to stop into an abort; a second Ctrl-C or SIGTERM ends the process as it always does. */
export class StopSignals {
  readonly #controller = new AbortController();
  readonly #promise: string;
  readonly #names: ReadonlySet<NodeJS.Signals>;
  #received: NodeJS.Signals | undefined;
  #insisted: number | undefined;
  readonly #onSignal = (name: NodeJS.Signals): void => {
    if (name === 'SIGHUP') leaveTerminal();
    const isInsistent = INSISTENT.has(name);
    if (this.#received === undefined) {
      this.#received = name;
      const again = isInsistent ? '; once more ends at once' : '';
      process.stderr.write(`\npolycom: ${name}: ${this.#promise}${again}\n`);
      this.#controller.abort();
    } else if (this.#insisted !== undefined && performance.now() > this.#insisted + ONCE_MS && isInsistent) {
      this.end();
      process.kill(process.pid, name);
    }
    if (isInsistent) this.#insisted ??= performance.now();
  };

  /**
   * @param promise what is said to happen now
   * @param others signals to stop by beside the usual ones
   */
  constructor(promise = 'the step is finished and saved', others: readonly NodeJS.Signals[] = []) {
    this.#promise = promise;
    this.#names = new Set([...STOP_SIGNALS, ...others]);
    for (const name of this.#names) process.on(name, this.#onSignal);
    // For good: where the terminal has gone, or `| tee` ended by the same Ctrl-C, saving goes on without a word.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', throwUnlessGone);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** As shells have it: 128 and the signal's number; 0 where there was none. */
  get exitCode(): number {
    return this.#received === undefined ? 0 : 128 + constants.signals[this.#received];
  }

  /** Leaves signals to the process again. */
  end(): void {
    for (const name of this.#names) process.off(name, this.#onSignal);
  }
}

function throwUnlessGone(error: NodeJS.ErrnoException): void {
  if (!GONE.has(error.code ?? '')) throw error;
}

/** Puts nothing in the place of a terminal that has hung up: Node aborts at its end where it cannot reset it. */
function leaveTerminal(): void {
  if (process.platform === 'win32') return;
  for (const file of [0, 1, 2]) {
    if (isatty(file) || !fstatSync(file).isCharacterDevice()) continue;
    closeSync(file);
    openSync('/dev/null', 'r+'); // takes the lowest number that is free: this one
  }
}
