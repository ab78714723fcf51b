import * as tf from '@tensorflow/tfjs-core';
import { sayOnce } from '../common/notice.js';
import { packageVersion } from '../common/package.js';
import { parameterCounts } from '../model/shapes.js';
import { findNative } from '../native/library.js';
import type { Evaluation } from './evaluate.js';
import { type PeakFlops, utilisation } from './flops.js';
import type { LogRecord } from './log.js';
import type { ScalarWriter } from './tensorboard.js';
import type { StepReport, Trainer } from './trainer.js';

/** The line of the log with which a process begins or goes on. */
export function startRecord(
  { step, model, settings, identity, saved }: Trainer,
  peak?: PeakFlops,
): LogRecord {
  return {
    kind: 'start',
    step,
    time: new Date().toISOString(),
    resumed_from: saved?.folder,
    version: packageVersion,
    ...arithmetic(),
    parameters: parameterCounts(model.config),
    model: model.config,
    data: identity,
    settings,
    peak,
  };
}

/** What decides the last bit of the losses beside the settings: the backend, and the SIMD level of the fused kernels. */
function arithmetic(): { readonly backend: string; readonly simd?: string } {
  const backend = tf.getBackend();
  const native = backend === 'tensorflow' ? findNative() : undefined;
  return { backend, ...(native?.found ? { simd: native.build.simd } : {}) };
}

/** Says that a run goes on with other arithmetic than the process before had, by the lines with which both began. */
export function sayOtherArithmetic(before: LogRecord | undefined, now: LogRecord): void {
  const changed = ['backend', 'simd'].filter(
    (name) => before?.[name] !== undefined && before[name] !== now[name],
  );
  if (changed.length === 0) return;
  const what = changed.map((name) => `${name} ${before![name]} to ${now[name] ?? 'none'}`).join(', ');
  sayOnce(
    `from step ${now.step} on with other arithmetic: ${what}; the losses are no longer the same to the last bit`,
  );
}

/** A step in the log. The losses are exact: they can be compared bit for bit. */
export function stepRecord(report: StepReport, { model, settings }: Trainer, peak?: PeakFlops): LogRecord {
  const { step, loss, crossEntropy, balance, z, gradientNorm, learningRate, tokens, seconds } = report;
  const rate = tokens / seconds;
  return {
    kind: 'step',
    step,
    loss,
    cross_entropy: crossEntropy,
    balance,
    z,
    gradient_norm: gradientNorm,
    learning_rate: learningRate,
    tokens,
    seconds: rounded(seconds),
    tok_per_s: rounded(rate),
    mfu: peak && rounded(utilisation(model.config, settings.time, rate, peak)),
  };
}

/** An evaluation in the log. */
export function evaluationRecord(
  { loss, perplexity, bitsPerByte, tokens }: Evaluation,
  step: number,
): LogRecord {
  return { kind: 'eval', step, loss, perplexity, bits_per_byte: bitsPerByte, tokens };
}

/** Writes a record's numbers for TensorBoard, under `group/`. */
export function writeScalars(writer: ScalarWriter | undefined, group: string, record: LogRecord): void {
  const { kind: _, step, ...values } = record;
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === 'number') writer?.scalar(`${group}/${name}`, value, step);
  }
}

/** To four digits: more would only look like more. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
