import * as tf from '@tensorflow/tfjs-core';
import { rmsNorm } from '../transformer-ops/index.js';
import { attentionBranch } from './attention.js';
import { feedForward } from './feed-forward.js';
import { branchSite, drop, type LayerPass } from './forward-pass.js';
import { mixture } from './mixture.js';
import { parameterAt } from './parameters.js';

/** What a block gives: the stream [B T, width], and of a mixture its load-balance and z loss. */
export type BlockOutput = tf.Tensor[];

/** One block, differentiably: h = x + attention(rms(x)), y = h + network(rms(h)). */
export function block(x: tf.Tensor, pass: LayerPass): BlockOutput {
  const { config, layer, parameters, observer } = pass;
  const norm = (value: tf.Tensor, name: string) =>
    rmsNorm(value, parameterAt(parameters, name), { epsilon: config.normEpsilon });
  const seen = attentionBranch(norm(x, 'input_layernorm.weight'), pass);
  const h = tf.add(x, drop(seen, branchSite(layer, 0), pass));
  const n = norm(h, 'post_attention_layernorm.weight');
  const [y, ...losses] = config.experts === undefined ? [feedForward(n, pass)] : mixture(n, pass);
  const stream = tf.add(h, drop(y!, branchSite(layer, 1), pass));
  observer?.('stream', stream, layer);
  return [stream, ...losses];
}
