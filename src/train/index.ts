/** Training: steps, evaluation, checkpoints, the log, and the optimizer with its schedules. */

export { STOP_SIGNALS } from '../common/signals.js';
export { chooseTrainingBackend } from '../tensorflow/backend.js';
export { type EvaluateOptions, type Evaluation, evaluate, textTokenizer } from './evaluate.js';
export { flopsPerToken, measureMatmulPeak, type PeakFlops, utilisation } from './flops.js';
export type { LogRecord } from './log.js';
export { AdamW, type AdamWOptions, decaysByDefault } from './optimizer.js';
export { LOG_FILE, type Resume, type TrainResult, type TrainRun, train } from './run.js';
export { type Decay, learningRateAt, type Schedule } from './schedule.js';
export { defaultSettings, type SomeSettings, settingsOf, type TrainSettings } from './settings.js';
export { type DataIdentity, identityOf } from './state.js';
export { StopSignals } from './stop-signals.js';
export { type SavedStep, type StepReport, Trainer } from './trainer.js';
