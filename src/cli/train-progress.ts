import { type Progress, type ProgressStream, progressOn } from '../bench/progress.js';
import { sayOnce } from '../common/notice.js';
import { parameterCounts } from '../model/shapes.js';
import { utilisation } from '../train/flops.js';
import type { Evaluation, PeakFlops, StepReport, Trainer } from '../train/index.js';

/** Shows how training goes. */
export interface TrainProgress {
  onStart(trainer: Trainer): void;
  onStep(report: StepReport): void;
  onEvaluation(evaluation: Evaluation): void;
  /** Leaves the line clean. */
  end(): void;
}

/** How much of a mean is the newest step. */
const NEWEST = 0.1;

/** Milliseconds between two lines where there is no terminal. */
const EVERY_MS = 30_000;

/**
 * A line that rewrites itself on a terminal. Elsewhere, such as in a scheduler's log, a line at the start, one now and
 * then, and one for each evaluation.
 */
export function trainProgress(
  stream: ProgressStream,
  quiet: boolean,
  peak?: PeakFlops,
  now: () => number = () => performance.now(),
): TrainProgress {
  const line = stream.isTTY ? progressOn(stream, { quiet }) : linesOn(stream, quiet);
  let trainer: Trainer;
  let told = now();
  let heldOut = '';
  let [loss, rate]: [number?, number?] = [];
  return {
    onStart: (started) => {
      trainer = started;
      const { saved, model, settings } = started;
      if (saved !== undefined && !quiet) sayOnce(`goes on from ${saved.folder}`);
      const { total } = parameterCounts(model.config);
      line.step(`step ${started.step} of ${settings.steps}`, `${total.toLocaleString('en-US')} parameters`);
    },
    onStep: (report) => {
      const { steps, time } = trainer.settings;
      loss = mean(loss, report.loss);
      rate = mean(rate, report.tokens / report.seconds);
      if (!stream.isTTY && now() < told + EVERY_MS) return;
      told = now();
      const parts = [
        `loss ${loss.toFixed(4)}`,
        ...(heldOut === '' ? [] : [heldOut]),
        `${Math.round(rate).toLocaleString('en-US')} tokens/s`,
        ...(peak === undefined
          ? []
          : [`MFU ${(100 * utilisation(trainer.model.config, time, rate, peak)).toFixed(1)} %`]),
        `${clockTime(((steps - report.step) * report.tokens) / rate)} left`,
      ];
      line.step(`step ${report.step} of ${steps}`, parts.join(', '));
    },
    onEvaluation: (evaluation) => {
      heldOut = `held out ${evaluation.loss.toFixed(4)}`;
      if (!stream.isTTY) line.step(`step ${trainer.step} of ${trainer.settings.steps}`, heldOut);
    },
    end: line.end,
  };
}

/** A line of its own for each thing shown. */
function linesOn(stream: ProgressStream, quiet: boolean): Progress {
  const isQuiet = quiet || process.env.POLYCOM_QUIET === '1';
  return {
    step: (group, step) => void (isQuiet || stream.write(`polycom: ${group}: ${step}\n`)),
    end: () => undefined,
  };
}

function mean(before: number | undefined, now: number): number {
  return before === undefined ? now : before + NEWEST * (now - before);
}

/** Such as 1:02:03 or 4:05. */
export function clockTime(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
