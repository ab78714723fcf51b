import { constants } from 'node:os';

/** Turns the first SIGINT or SIGTERM into an abort; the second one ends the process as it always does. */
export class StopSignals {
  readonly #controller = new AbortController();
  readonly #promise: string;
  #received: 'SIGINT' | 'SIGTERM' | undefined;
  readonly #onSignal = (name: NodeJS.Signals): void => {
    this.end();
    this.#received = name as 'SIGINT' | 'SIGTERM';
    process.stderr.write(`\npolycom: ${name}: ${this.#promise}; once more ends at once\n`);
    this.#controller.abort();
  };

  /** @param promise what is said to happen now */
  constructor(promise = 'the step is finished and saved') {
    this.#promise = promise;
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
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
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }
}
