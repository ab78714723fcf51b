import * as tf from '@tensorflow/tfjs-core';
import { attention, rmsNorm, rotary } from '../transformer-ops/index.js';
import type { ForwardPass, LayerPass } from './forward-pass.js';
import { linear } from './linear.js';
import { parameterAt } from './parameters.js';

/** Causal attention with grouped queries, of a block's normalised stream [B T, width], differentiably. */
export function attentionBranch(n: tf.Tensor, pass: LayerPass): tf.Tensor {
  const { config, layer, parameters, start, table, cache } = pass;
  const weight = (name: string) => parameterAt(parameters, `self_attn.${name}.weight`);
  const normed = (x: tf.Tensor, name: string) =>
    config.qkNorm ? rmsNorm(x, weight(name), { epsilon: config.normEpsilon }) : x;
  const q = asHeads(normed(linear(n, weight('q_proj')), 'q_norm'), config.heads, pass);
  const newK = asHeads(normed(linear(n, weight('k_proj')), 'k_norm'), config.kvHeads, pass);
  const newV = asHeads(linear(n, weight('v_proj')), config.kvHeads, pass);
  const turned = rotary(newK, table, start) as tf.Tensor4D;
  const { k, v } = cache === undefined ? { k: turned, v: newV } : cache.extend(layer, turned, newV);
  const y = attention(rotary(q, table, start), k, v, start);
  return linear(asRows(y), weight('o_proj'));
}

/** [B T, heads · headWidth] as [B, T, heads, headWidth]: the same numbers in the same order. */
export function asHeads(x: tf.Tensor, heads: number, { batch, time, config }: ForwardPass): tf.Tensor4D {
  return tf.reshape(x, [batch, time, heads, config.headWidth]);
}

/** The reverse of {@link asHeads}. */
export function asRows(x: tf.Tensor): tf.Tensor2D {
  const [batch, time, heads, width] = x.shape as [number, number, number, number];
  return tf.reshape(x, [batch * time, heads * width]);
}
