/** Training: steps, evaluation, checkpoints, the log, and the optimizer with its schedules. */
export { type EvaluateOptions, type Evaluation, evaluate, textTokenizer } from './evaluate.js';
export { flopsPerToken, measureMatmulPeak, type Peak, utilisation } from './flops.js';
export { AdamW, type AdamWOptions, decaysByDefault } from './optimizer.js';
export { LOG_FILE, type Resume, type TrainResult, type TrainRun, train } from './run.js';
export { type Decay, learningRateAt, type Schedule } from './schedule.js';
export { type SomeSettings, settingsOf, type TrainSettings } from './settings.js';
export { type Saved, type StepReport, Trainer } from './trainer.js';
