import { invalidArgument } from '../common/errors.js';
import { checkFields, type Fields, notNegative, oneOf, whole } from '../common/fields.js';

/** The ways that the learning rate goes after its warm-up. */
export const decays = ['cosine', 'linear', 'constant'] as const;

/** How the learning rate goes after its warm-up. */
export type Decay = (typeof decays)[number];

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

const FIELDS: Fields<Schedule> = {
  peak: notNegative,
  floor: notNegative,
  warmup: whole(0),
  steps: whole(1),
  decay: oneOf(...decays),
};

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
  checkSchedule(schedule);
  const { peak, floor, warmup, steps, decay } = schedule;
  if (step <= warmup) return (peak * step) / warmup;
  const progress = Math.min((step - warmup) / Math.max(steps - warmup, 1), 1);
  return floor + (peak - floor) * SHAPES[decay](progress);
}

function checkSchedule(schedule: Schedule): void {
  checkFields('schedule', 'field', schedule, FIELDS);
  const { peak, floor, warmup, steps } = schedule;
  if (floor > peak) {
    throw invalidArgument(`floor is ${floor}; expected from 0 to the peak, ${peak}`, { op: 'schedule' });
  }
  if (warmup <= steps) return;
  throw invalidArgument(`warmup is ${warmup}; expected at most the steps, ${steps}`, { op: 'schedule' });
}
