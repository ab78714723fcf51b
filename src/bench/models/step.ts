import * as tf from '@tensorflow/tfjs-core';
import { uniform } from '../../common/random.js';
import type { ModelConfig } from '../../model/config.js';
import { Transformer } from '../../model/index.js';
import { unfused } from '../../op/run.js';
import { AdamW } from '../../train/optimizer.js';
import { awaitTensor } from '../tensorflow.js';
import type { ModelVariant } from './types.js';

/** A model that can take training steps on one batch, in one of the ways that are compared. */
export interface Stepper {
  readonly variant: ModelVariant;
  readonly activation: string;
  readonly model: Transformer;
  /** A whole step: loss, gradients, update. Gives the loss before the update. */
  step(): number;
  /** Of each step so far: how long its update took, in milliseconds. */
  readonly updates: readonly number[];
  /** A step whose update is timed from gradients that are there to parameters that are, in milliseconds. */
  updateToItsEnd(): number;
  /** The loss alone, no tape: the forward part. */
  forward(): number;
  /** Loss and gradients, without the update. */
  gradients(): number;
  dispose(): void;
}

const LEARNING_RATE = 1e-3;
const SEED = 1;

/** Makes a stepper. All with one config and batch begin with the same parameters, and must agree on the loss. */
export function makeStepper(
  config: ModelConfig,
  variant: 'fused' | 'composed' | 'stock',
  { batch, time }: { readonly batch: number; readonly time: number },
): Stepper {
  const model = Transformer.create(config, { seed: SEED });
  const next = uniform(SEED);
  const words = Int32Array.from({ length: batch * (time + 1) }, () => Math.floor(next() * config.vocabulary));
  const cut = (from: number) =>
    Int32Array.from(
      { length: batch * time },
      (_, i) => words[Math.floor(i / time) * (time + 1) + (i % time) + from]!,
    );
  const tokens = tf.tensor2d(cut(0), [batch, time], 'int32');
  const targets = tf.tensor2d(cut(1), [batch, time], 'int32');
  const maybe = <T>(f: () => T): T => (variant === 'fused' ? f() : unfused(f));
  const memory = variant === 'stock' ? 'tape' : 'block';
  const read = (loss: tf.Scalar): number => loss.dataSync()[0]!;
  const lossAndGradients = () => model.gradients(tokens, targets, { memory });
  const updates: number[] = [];
  const [update, disposeOptimizer] = variant === 'stock' ? stockAdam() : ownAdam(model);
  return {
    variant,
    activation: config.activation,
    model,
    updates,
    step: () =>
      maybe(() =>
        tf.tidy(() => {
          const { loss, gradients } = lossAndGradients();
          const began = performance.now();
          update(gradients, model);
          updates.push(performance.now() - began);
          return read(loss);
        }),
      ),
    updateToItsEnd: () =>
      maybe(() =>
        tf.tidy(() => {
          const { loss, gradients } = lossAndGradients();
          read(loss); // which waits for all that was asked for before
          const began = performance.now();
          update(gradients, model);
          const [parameter] = model.parameters.values();
          awaitTensor(parameter!);
          return performance.now() - began;
        }),
      ),
    forward: () => maybe(() => tf.tidy(() => read(model.loss(tokens, targets, { memory }).loss))),
    gradients: () => maybe(() => tf.tidy(() => read(lossAndGradients().loss))),
    dispose() {
      disposeOptimizer();
      model.dispose();
      tf.dispose([tokens, targets]);
    },
  };
}

type Update = (gradients: Map<string, tf.Tensor>, model: Transformer) => void;

function ownAdam(model: Transformer): [Update, () => void] {
  const optimizer = new AdamW(model.parameters);
  const update: Update = (gradients) => void optimizer.apply(gradients, { learningRate: LEARNING_RATE });
  return [update, () => optimizer.dispose()];
}

function stockAdam(): [Update, () => void] {
  const optimizer = tf.train.adam(LEARNING_RATE);
  const update: Update = (gradients, model) =>
    optimizer.applyGradients(
      Array.from(gradients, ([name, tensor]) => ({ name: model.parameters.get(name)!.name, tensor })),
    );
  return [update, () => optimizer.dispose()];
}
