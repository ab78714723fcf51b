import { join } from 'node:path';
import { PolycomError } from '../common/errors.js';
import { sayOnce } from '../common/notice.js';
import { given } from '../common/objects.js';
import type { Evaluation } from './evaluate.js';
import type { RunLog } from './log.js';
import { evaluationRecord, stepRecord, writeScalars } from './records.js';
import type { TrainResult, TrainRun } from './run.js';
import { openTensorboard, type ScalarWriter } from './tensorboard.js';
import type { SavedStep, Trainer } from './trainer.js';

/** The most that checkpoints before evaluations take of the time. */
const SAVING_SHARE = 0.2;

/**
 * Takes the steps of a run that are left, and evaluates and saves as its settings say.
 *
 * No step is lost to what comes after it. Before an evaluation, which takes long, the step is saved, unless checkpoints
 * would then take more than a fifth of the time. An error leaves a checkpoint of the last step, and so does the signal,
 * which is heard in an evaluation too; an evaluation that was broken off is made by the process that goes on.
 */
export async function takeSteps(
  trainer: Trainer,
  log: RunLog,
  run: TrainRun,
): Promise<Omit<TrainResult, 'resumedFrom'>> {
  const course = new Course(trainer, log, run);
  try {
    return await course.run();
  } catch (error) {
    await course.rescue(error);
    throw error;
  }
}

class Course {
  readonly #trainer: Trainer;
  readonly #log: RunLog;
  readonly #run: TrainRun;
  readonly #tensorboard: ScalarWriter | undefined;
  /** Whether the last step is yet to be evaluated. */
  #unjudged: boolean;
  #saving = false;
  /** When the last checkpoint stood, and the milliseconds it took. */
  #lastSave: { readonly ended: number; readonly took: number } | undefined;
  #loss: number | undefined;
  #evaluation: Evaluation | undefined;
  #tokens = 0;
  #seconds = 0;

  constructor(trainer: Trainer, log: RunLog, run: TrainRun) {
    this.#trainer = trainer;
    this.#log = log;
    this.#run = run;
    this.#tensorboard = run.tensorboard ? openTensorboard(join(run.out, 'tensorboard')) : undefined;
    this.#unjudged = isUnjudged(trainer, log);
  }

  async run(): Promise<Omit<TrainResult, 'resumedFrom'>> {
    const { signal } = this.#run;
    const { steps } = this.#trainer.settings;
    while (!signal?.aborted && (this.#unjudged || this.#trainer.step < steps)) {
      if (this.#unjudged) await this.#judge();
      else await this.#takeStep();
    }
    // The last evaluation comes after the last checkpoint.
    this.#log.sync();
    this.#tensorboard?.flush();
    const { step, tokens, saved } = this.#trainer;
    const { folder: checkpoint } = saved?.step === step ? saved : await this.#save();
    const [loss, evaluation] = [this.#loss, this.#evaluation];
    const tokensPerSecond = loss === undefined ? undefined : this.#tokens / this.#seconds;
    const interrupted = this.#unjudged || step < steps;
    return given({ step, tokens, checkpoint, interrupted, loss, tokensPerSecond, evaluation });
  }

  /** Saves the last step before its error ends the run. A run that diverged stays at its last checkpoint. */
  async rescue(error: unknown): Promise<void> {
    const { step, saved, isWhole } = this.#trainer;
    const diverged = error instanceof PolycomError && error.code === 'NOT_FINITE';
    if (diverged || this.#saving || !isWhole || step === 0 || saved?.step === step) return;
    try {
      const { folder } = await this.#trainer.save(this.#run.out);
      sayOnce(`an error ends the run; ${folder} is saved, and the same command goes on from it`);
    } catch (reason) {
      sayOnce(`step ${step} could not be saved: ${reason instanceof Error ? reason.message : reason}`);
    }
  }

  async #takeStep(): Promise<void> {
    const trainer = this.#trainer;
    const { steps, saveEvery } = trainer.settings;
    const report = await trainer.next();
    const { step } = report;
    this.#unjudged = isToJudge(trainer);
    this.#loss = report.loss;
    this.#tokens += report.tokens;
    this.#seconds += report.seconds;
    const record = stepRecord(report, trainer, this.#run.peak);
    this.#log.write(record);
    writeScalars(this.#tensorboard, 'train', record);
    this.#run.onStep?.(report);
    const isWanted = step === steps || (saveEvery > 0 && step % saveEvery === 0);
    if (isWanted || (this.#unjudged && this.#isCheap())) await this.#save();
  }

  /** Evaluates the last step; its signal leaves that to the process that goes on. */
  async #judge(): Promise<void> {
    const { observe, onEvaluation, signal } = this.#run;
    const { step } = this.#trainer;
    try {
      const evaluation = await this.#trainer.evaluate(signal);
      if (evaluation !== undefined) {
        const record = evaluationRecord(evaluation, step);
        this.#log.write({ ...(await observe?.(this.#trainer)), ...record });
        this.#evaluation = evaluation;
        writeScalars(this.#tensorboard, 'heldout', record);
        onEvaluation?.(evaluation, step);
      }
      this.#unjudged = false;
    } catch (error) {
      if (!signal?.aborted || error !== signal.reason) throw error;
    }
  }

  async #save(): Promise<SavedStep> {
    this.#saving = true;
    const began = performance.now();
    // The lines of its steps must not be lost where the checkpoint is not.
    this.#log.sync();
    this.#tensorboard?.flush();
    const saved = await this.#trainer.save(this.#run.out);
    const ended = performance.now();
    this.#lastSave = { ended, took: ended - began };
    this.#saving = false;
    return saved;
  }

  #isCheap(): boolean {
    const last = this.#lastSave;
    return last === undefined || last.took <= SAVING_SHARE * (performance.now() - last.ended);
  }
}

/** Whether the process before this one saved its last step, and ended before it had evaluated it. */
export function isUnjudged(trainer: Trainer, log: RunLog): boolean {
  return trainer.step > log.evaluated && isToJudge(trainer);
}

/** Whether the last step is one that is evaluated: every so many, and the last of all; never with 0. */
function isToJudge({ step, settings: { evalEvery, steps }, canEvaluate }: Trainer): boolean {
  return canEvaluate && evalEvery > 0 && (step % evalEvery === 0 || step === steps);
}
