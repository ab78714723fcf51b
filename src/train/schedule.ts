import { PolycomError } from '../errors.js';
import { checkNames, type Names } from '../options.js';

/** How the learning rate goes after its warm-up. */
export type Decay = 'cosine' | 'linear' | 'constant';

/** A schedule of the learning rate over a run. */
export interface Schedule {
  /** The highest learning rate. */
  readonly peak: number;
  /** The last one, where it decays. */
  readonly floor: number;
  /** Steps in which it rises from 0 to its peak. */
  readonly warmup: number;
  /** Steps of the whole run. */
  readonly steps: number;
  readonly decay: Decay;
}

const FIELDS: Names<Schedule> = { peak: true, floor: true, warmup: true, steps: true, decay: true };

const SHAPES: Readonly<Record<Decay, (progress: number) => number>> = {
  cosine: (progress) => (1 + Math.cos(Math.PI * progress)) / 2,
  linear: (progress) => 1 - progress,
  constant: () => 1,
};

/**
 * The learning rate of a step: peak · step / warmup in the warm-up, then floor + (peak - floor) · shape(progress), which
 * reaches the floor at the last step and stays there.
 *
 * @param step from 1
 * @throws {PolycomError} `INVALID_ARGUMENT` for a schedule that makes no sense
 */
export function learningRateAt(schedule: Schedule, step: number): number {
  const { peak, floor, warmup, steps, decay } = checkSchedule(schedule);
  if (step <= warmup) return (peak * step) / warmup;
  const progress = Math.min((step - warmup) / Math.max(steps - warmup, 1), 1);
  return floor + (peak - floor) * SHAPES[decay](progress);
}

/** Gives the schedule back, checked. */
export function checkSchedule(schedule: Schedule): Schedule {
  checkNames('schedule', schedule, FIELDS);
  const { peak, floor, warmup, steps, decay } = schedule;
  const wrong = (message: string): never => {
    throw new PolycomError('INVALID_ARGUMENT', `the schedule's ${message}`, { op: 'schedule' });
  };
  if (!(peak >= 0 && Number.isFinite(peak))) wrong(`peak is ${peak}; expected a finite number, 0 or more`);
  if (!(floor >= 0 && floor <= peak)) wrong(`floor is ${floor}; expected from 0 to the peak, ${peak}`);
  if (!Number.isSafeInteger(steps) || steps < 1) wrong(`steps are ${steps}; expected a whole number above 0`);
  if (!Number.isSafeInteger(warmup) || warmup < 0 || warmup > steps)
    wrong(`warmup is ${warmup}; expected a whole number from 0 to its steps, ${steps}`);
  if (SHAPES[decay] === undefined)
    wrong(`decay is '${decay}'; expected one of ${Object.keys(SHAPES).join(', ')}`);
  return schedule;
}
