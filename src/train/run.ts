import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { latest, loadCheckpoint } from '../checkpoint/folder.js';
import { invalidArgument } from '../common/errors.js';
import { fileError } from '../common/file-error.js';
import { sayOnce } from '../common/notice.js';
import { given } from '../common/objects.js';
import { checkNames, type Names } from '../common/options.js';
import type { Data } from '../data/open.js';
import type { ModelConfig } from '../model/config.js';
import { alone, LOCK } from './alone.js';
import type { Evaluation } from './evaluate.js';
import type { PeakFlops } from './flops.js';
import { RunLog } from './log.js';
import { sayOtherArithmetic, startRecord } from './records.js';
import { type SomeSettings, settingsOf, type TrainSettings } from './settings.js';
import { changedSettings, type TrainState } from './state.js';
import { isUnjudged, takeSteps } from './steps.js';
import { type StepReport, Trainer } from './trainer.js';

/** Whether a run goes on from its newest checkpoint: where there is one, always, or never. */
export type Resume = 'auto' | 'required' | 'never';

/** What is trained, how, and where to. */
export interface TrainRun {
  readonly config: ModelConfig;
  readonly data: Data;
  /** The run's folder, for checkpoints, log and tokenizer; made if absent. */
  readonly out: string;
  /** The defaults by default. */
  readonly settings?: SomeSettings;
  /** `auto` by default. */
  readonly resume?: Resume;
  /** What the utilisation is a share of; without it none is reported. */
  readonly peak?: PeakFlops;
  /** Whether event files are written too, in `tensorboard`: see `openTensorboard`. */
  readonly tensorboard?: boolean;
  /** When aborted, the step in hand is finished and saved, an evaluation is broken off, and the run ends. */
  readonly signal?: AbortSignal;
  readonly onStart?: (trainer: Trainer) => void;
  readonly onStep?: (report: StepReport) => void;
  readonly onEvaluation?: (evaluation: Evaluation, step: number) => void;
  /** What else the log's line of each evaluation says, as JSON. It must leave the model as it is. */
  readonly observe?: (trainer: Trainer) => Promise<Readonly<Record<string, unknown>>>;
}

const FIELDS: Names<TrainRun> = {
  config: true,
  data: true,
  out: true,
  settings: true,
  resume: true,
  peak: true,
  tensorboard: true,
  signal: true,
  onStart: true,
  onStep: true,
  onEvaluation: true,
  observe: true,
};

/** How a run ended. */
export interface TrainResult {
  readonly step: number;
  readonly tokens: number;
  /** The last step's; none where nothing was left to do. */
  readonly loss?: number;
  /** The last one. */
  readonly evaluation?: Evaluation;
  /** The folder of the last checkpoint. */
  readonly checkpoint: string;
  /** The step of the checkpoint that it went on from. */
  readonly resumedFrom?: number;
  /** Whether its signal ended it before the last step, or before that was evaluated. */
  readonly interrupted: boolean;
  /** The tokens of this process's steps over the time they took, evaluations and checkpoints apart. */
  readonly tokensPerSecond?: number;
}

/** The log in a run's folder. */
export const LOG_FILE = 'log.jsonl';

/** What a run's folder may hold before its first checkpoint. */
const OURS = /^(log\.jsonl|tokenizer(_config)?\.json|tensorboard|\.aside-.*|step-.*\.replaced)$/;

/**
 * Trains a model: takes steps until there are as many as wanted, writes `log.jsonl`, evaluates and saves as the settings
 * say, and at the end. The same call again, after a kill at any moment, goes on from the last checkpoint; on the
 * same kind of CPU it then has the very losses of a run that was never killed.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for settings, data and checkpoints that do not fit; `NOT_FINITE` where
 *   training diverged; `FILE_ERROR` where the system refuses
 */
export async function train(run: TrainRun): Promise<TrainResult> {
  checkNames('train', run, FIELDS);
  const settings = settingsOf(run.settings ?? {}, run.config.context);
  await checkFolder(run); // before anything is put there
  return await alone(run.out, () => trainAlone(run, settings));
}

async function trainAlone(run: TrainRun, settings: TrainSettings): Promise<TrainResult> {
  const { data, out, peak } = run;
  const trainer = await begin(run, settings);
  try {
    const resumedFrom = trainer.saved?.step;
    const log = await RunLog.open(join(out, LOG_FILE), trainer.step);
    try {
      await data.tokenizer.save?.(out);
      if (trainer.step < settings.steps || isUnjudged(trainer, log)) {
        const start = startRecord(trainer, peak);
        sayOtherArithmetic(log.started, start);
        log.write(start);
      }
      sayIfNothingIsEvaluated(trainer);
      run.onStart?.(trainer);
      const result = await takeSteps(trainer, log, run);
      return given({ ...result, resumedFrom });
    } finally {
      log.close();
    }
  } finally {
    trainer.dispose();
  }
}

/** Evaluations that were asked for and cannot be are said at the start, as nothing tells of them later. */
function sayIfNothingIsEvaluated({
  data: { heldOut },
  settings: { evalEvery, steps, time },
  step,
}: Trainer): void {
  if (evalEvery === 0 || step >= steps || heldOut.length > time) return;
  const has = `${heldOut.length} tokens are held out, and a window of ${time} wants ${time + 1}`;
  sayOnce(
    `${has}: nothing is evaluated\n  remedy: a larger --held-out or a shorter --time; --eval-every 0 evaluates nothing`,
  );
}

/** A trainer at the run's newest checkpoint, or at the beginning. */
async function begin(run: TrainRun, settings: TrainSettings): Promise<Trainer> {
  const { config, data, out } = run;
  if (!(await checkFolder(run))) return Trainer.create(config, data, settings);
  const checkpoint = await loadCheckpoint(out);
  const trainer = Trainer.restore(checkpoint, config, data, settings);
  const changed = changedSettings((checkpoint.state as unknown as TrainState).settings, settings);
  if (changed.length > 0 && trainer.step < settings.steps)
    sayOnce(`from step ${trainer.step} on with other settings: ${changed.join(', ')}`);
  return trainer;
}

/**
 * Whether there is a checkpoint to go on from. Nothing that was not ours may be written over.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where that is not as wanted, or the folder holds other things; `FILE_ERROR`
 *   where the system refuses
 */
async function checkFolder({ out, resume = 'auto' }: TrainRun): Promise<boolean> {
  if ((await latest(out)) !== undefined) {
    if (resume !== 'never') return true;
    throw invalidArgument(`${out} holds a training run already`, {
      remedy: 'train into another folder, or leave out --resume never to go on with it',
    });
  }
  if (resume === 'required') {
    throw invalidArgument(`there is no checkpoint in ${out} to go on from`, {
      remedy: 'name the folder of a run, or leave out --resume required to begin one',
    });
  }
  const found = await readdir(out).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw fileError(out, 'write', error);
  });
  const names = found.filter((name) => name !== LOCK);
  const ours = names.includes(LOG_FILE) && names.every((name) => OURS.test(name));
  if (ours || names.length === 0) return false;
  throw invalidArgument(`${out} is not empty, and holds no training run`, {
    remedy: 'name a folder that is new, or empty',
  });
}
