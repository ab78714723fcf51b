import { availableParallelism } from 'node:os';
import { listedArchitectures } from './architectures.js';

/** How far a build is. */
export interface BuildProgress {
  /** As ninja or make counts: `12 of 95`, or `12 %`. */
  readonly done: string;
  /** From 0 to 1, of what this run has to do. */
  readonly share: number;
  /** How long it still takes at the pace so far, once there is one. */
  readonly secondsLeft?: number;
}

/** Seconds of one CPU, measured with g++ 12 and nvcc 13.0: the CPU kernels, the CUDA kernels, and each architecture. */
const SECONDS = { cpu: 230, cuda: 170, architecture: 150 } as const;

/**
 * About how many seconds a whole build takes.
 *
 * @param architectures CMake's list, or `all`; undefined without CUDA kernels
 */
export function estimatedSeconds(
  architectures: string | undefined,
  cpus: number = availableParallelism(),
): number {
  const cuda = architectures === undefined ? 0 : SECONDS.cuda + SECONDS.architecture * countOf(architectures);
  return (SECONDS.cpu + cuda) / cpus;
}

/** Such as `about 40 seconds` or `about 4 minutes`. */
export function aboutSeconds(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (seconds >= 90) return `about ${minutes} minutes`;
  return seconds >= 50 ? 'about a minute' : `about ${Math.max(10, Math.ceil(seconds / 10) * 10)} seconds`;
}

/** Reads what ninja or make prints, in pieces of any size, and tells each step that is done. */
export function followBuild(
  onProgress: (progress: BuildProgress) => void,
  now: () => number = () => performance.now(),
): (text: string) => void {
  let rest = '';
  let first: { readonly share: number; readonly at: number } | undefined;
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const [, counted, total, percent] = STEP.exec(line) ?? [];
      if (counted === undefined && percent === undefined) continue;
      const share = percent === undefined ? Number(counted) / Number(total) : Number(percent) / 100;
      const done = percent === undefined ? `${counted} of ${total}` : `${percent} %`;
      const at = now();
      first ??= { share, at };
      const pace = (share - first.share) / (at - first.at);
      onProgress({ done, share, ...(pace > 0 ? { secondsLeft: (1 - share) / pace / 1000 } : {}) });
    }
  };
}

/** A line of ninja's or make's on a file, and none on their own business. */
const STEP = /^\[\s*(?:(\d+)\/(\d+)|(\d+)%)\] (?:Building|Linking)/;

function countOf(architectures: string): number {
  return architectures === 'all' ? listedArchitectures().length : architectures.split(';').length;
}
