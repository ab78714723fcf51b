import { PolycomError } from '../common/errors.js';
import { hostSampler, interleave, type Sampler, type TimingEffort } from './sampling.js';
import { round, summarise } from './statistics.js';
import type { Row, RowIdentity } from './types.js';

/** Something that is timed. */
export interface Contender {
  readonly identity: RowIdentity;
  /** The bytes that it cannot avoid moving. */
  readonly bytes: number;
  /** Runs it, and says what is wrong with the result, if anything is. Called before `run`. */
  check(): string | undefined;
  /** Runs it once: to its end, unless a sampler or `finish` waits for that. */
  run(): void;
  /** Waits until all runs are done, at the end of a sample. */
  finish?(): void;
  /** Takes samples by another clock than the host's. */
  readonly sampler?: Sampler;
  /** What its row says beside the spread of its samples. */
  about?(): Partial<Row>;
  /** Frees what it took for itself, once all have been measured. */
  dispose?(): void;
}

/** What measuring some contenders gave. */
export interface Measured {
  readonly rows: Row[];
  /** Of those that there is no kernel for here. */
  readonly notes: string[];
}

/** Checks every contender, then times those that are right, in turns. A wrong one is failed, never fast. */
export function measure(
  contenders: readonly Contender[],
  effort: TimingEffort,
  onStep: (text: string) => void = () => undefined,
): Measured {
  try {
    return checkAndTime(contenders, effort, onStep);
  } finally {
    for (const contender of contenders) contender.dispose?.();
  }
}

function checkAndTime(
  contenders: readonly Contender[],
  effort: TimingEffort,
  onStep: (text: string) => void,
): Measured {
  const notes: string[] = [];
  const checked = contenders.flatMap((contender) => {
    const { op, variant, pass, dtype } = contender.identity;
    onStep(['checking', ...new Set([op, pass, variant])].join(' '));
    try {
      return [{ contender, failure: contender.check() }];
    } catch (error) {
      if (!(error instanceof PolycomError) || error.code !== 'UNSUPPORTED') {
        return [{ contender, failure: error instanceof Error ? error.message : String(error) }];
      }
      notes.push(`left out: ${op} in ${dtype}, for which this library has no kernel`);
      return [];
    }
  });
  const right = checked.filter(({ failure }) => failure === undefined).map(({ contender }) => contender);
  const samples = interleave(
    right.map(
      (contender) =>
        contender.sampler ??
        hostSampler(
          () => contender.run(),
          contender.finish === undefined ? undefined : () => contender.finish!(),
        ),
    ),
    effort,
    (number) => onStep(`round ${number + 1}`),
  );
  const rows = checked.map(({ contender, failure }): Row => {
    if (failure !== undefined) return { ...contender.identity, ok: false, failure };
    const spread = timed(contender, samples[right.indexOf(contender)]!);
    return { ...contender.identity, ...spread, ...contender.about?.(), ok: true };
  });
  return { rows, notes };
}

function timed({ bytes }: Contender, samples: readonly number[]): Partial<Row> {
  const timing = summarise(samples);
  return { ...timing, samples: samples.length, gb_per_s: round(bytes / timing.ms_p50 / 1e6) };
}
