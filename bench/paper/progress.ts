import { type ProgressStream, progressOn } from 'polycom/bench';
import type { GridProgress } from './run/grid.js';

/** Shows how far a comparison is. */
export interface CompareProgress {
  readonly show: (stage: string, progress: GridProgress) => void;
  readonly part: (part: string, step: string) => void;
  /** Leaves the line clean. */
  readonly end: () => void;
}

/** A line that rewrites itself on a terminal; elsewhere a line for each run that finishes. */
export function compareProgress(stream: ProgressStream, quiet: boolean): CompareProgress {
  const line = progressOn(stream, { quiet: quiet || !stream.isTTY });
  return {
    show: (stage, { finished, total, secondsLeft, last }) => {
      const left = secondsLeft === undefined ? '' : `, about ${duration(secondsLeft)} left`;
      const far = `${finished} of ${total} runs${left}`;
      line.step(stage, far);
      if (quiet || stream.isTTY || last === undefined) return;
      const { config, data, settings } = last.spec;
      const run = `${config.activation} on ${data.name}, seed ${settings.seed}`;
      stream.write(`polycom: ${stage}: ${far}; ${run}: ${outcomeOf(last)}\n`);
    },
    part: line.step,
    end: line.end,
  };
}

function outcomeOf(last: NonNullable<GridProgress['last']>): string {
  if ('reason' in last) return `failed: ${last.reason.split('\n')[0]}`;
  const { final, diverged } = last.result;
  return diverged === undefined ? `held out ${final?.loss.toFixed(4)}` : diverged.message;
}

/** Such as 1:02:03 or 4:05. */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
