import * as tf from '@tensorflow/tfjs-core';
import { rmsNorm } from '../fused/index.js';
import { attentionBranch } from './attention.js';
import { feedForward, type See } from './feed-forward.js';
import { mixture, type RoutingMemo } from './mixture.js';
import { type LayerParameters, parameterAt } from './parameters.js';
import { branchSite, drop, type Pass } from './pass.js';

/** What a block gives: the stream [B T, width], and of a mixture its load-balance and z loss. */
export type BlockOutput = tf.Tensor[];

/**
 * One block, differentiably: h = x + attention(rms(x)), y = h + network(rms(h)).
 *
 * @param memo of this block in this pass: the experts that a mixture chooses
 */
export function block(
  x: tf.Tensor,
  layer: number,
  parameters: LayerParameters,
  pass: Pass,
  memo: RoutingMemo = {},
): BlockOutput {
  const { config, observer } = pass;
  const see: See | undefined = observer && ((part, tensor) => observer(part, tensor, layer));
  const norm = (value: tf.Tensor, name: string) =>
    rmsNorm(value, parameterAt(parameters, name), { epsilon: config.normEpsilon });
  const seen = attentionBranch(norm(x, 'input_layernorm.weight'), layer, parameters, pass);
  const h = tf.add(x, drop(seen, branchSite(layer, 0), pass));
  const n = norm(h, 'post_attention_layernorm.weight');
  const [y, ...losses] =
    config.experts === undefined
      ? [feedForward(n, config, parameters, see)]
      : mixture(n, config, config.experts, parameters, memo, see);
  const stream = tf.add(h, drop(y!, branchSite(layer, 1), pass));
  see?.('stream', stream);
  return [stream, ...losses];
}
