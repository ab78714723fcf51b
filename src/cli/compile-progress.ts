import { type ProgressStream, progressOn } from '../bench/progress.js';
import type { BuildProgress } from '../native/build-progress.js';
import { clockTime } from './train-progress.js';

/** Shows how a build goes. */
export interface CompileProgress {
  onStart(line: string): void;
  onProgress(progress: BuildProgress): void;
  /** Leaves the line clean. */
  end(): void;
}

/** How often a line is written where there is no terminal. */
const EVERY_MS = 20_000;

/** A line that rewrites itself on a terminal; elsewhere one now and then. */
export function compileProgress(
  stream: ProgressStream,
  now: () => number = () => performance.now(),
): CompileProgress {
  const line = progressOn(stream, { quiet: !stream.isTTY });
  let written = now();
  return {
    onStart: (text) => void stream.write(`${text}\n`),
    onProgress: ({ done, secondsLeft }) => {
      const left = secondsLeft === undefined ? '' : `, about ${clockTime(secondsLeft)} left`;
      line.step('compiling', `${done} done${left}`);
      if (stream.isTTY || now() - written < EVERY_MS) return;
      written = now();
      stream.write(`compiling: ${done} done${left}\n`);
    },
    end: line.end,
  };
}
