import * as tf from '@tensorflow/tfjs-core';
import { addrmsnormOp, rmsnormOp } from '../fused/rmsnorm.js';
import { runBackward, runForward } from '../fused/run.js';
import { attentionBackward, attentionForward } from './attention-gradient.js';
import type { BlockOutput } from './block.js';
import { feedForwardBackward, feedForwardForward } from './feed-forward-gradient.js';
import { mixture, type RoutingMemo } from './mixture.js';
import { mixtureBackward } from './mixture-gradient.js';
import { type Kept, node, type Saved } from './node.js';
import { type LayerParameters, parameterAt } from './parameters.js';
import { branchSite, dropBackward, dropForward, type Pass } from './pass.js';

const NORM_1 = 'input_layernorm.weight';
const NORM_2 = 'post_attention_layernorm.weight';

/**
 * A block with its gradient by hand: one node of the tape, which keeps the inputs of its products and of its
 * activation, and disposes of each as soon as the gradient has used it. A mixture runs again for its own gradient.
 *
 * @param recompute whether the norms' and the activation's outputs are computed again rather than kept
 */
export function handwrittenBlock(
  x: tf.Tensor,
  layer: number,
  parameters: LayerParameters,
  pass: Pass,
  recompute: boolean,
): BlockOutput {
  const memo: RoutingMemo = {};
  return node(
    [x, ...parameters.values()],
    () => forward(x, layer, parameters, pass, recompute, memo),
    (saved, dys) => {
      const { dx, gradients } = backward(saved, dys, layer, parameters, pass, memo);
      const found = new Map(gradients);
      return [dx, ...[...parameters.keys()].map((name) => parameterAt(found, name))];
    },
  );
}

function forward(
  x: tf.Tensor,
  layer: number,
  parameters: LayerParameters,
  pass: Pass,
  recompute: boolean,
  memo: RoutingMemo,
): { outputs: tf.Tensor[]; saved: Saved } {
  const { config } = pass;
  const epsilon = { epsilon: config.normEpsilon };
  const [n1] = runForward(rmsnormOp, [x, parameterAt(parameters, NORM_1)], epsilon);
  const attention = attentionForward(n1!, parameters, pass);
  const seen = dropForward(attention.y, branchSite(layer, 0), pass);
  const [n2, h] = runForward(addrmsnormOp, [seen, x, parameterAt(parameters, NORM_2)], epsilon);
  const network =
    config.experts === undefined
      ? feedForwardForward(n2!, config, parameters, recompute)
      : { y: mixture(n2!, config, config.experts, parameters, memo), saved: {} };
  const [y, ...losses] = Array.isArray(network.y) ? network.y : [network.y];
  return {
    outputs: [tf.add(h!, dropForward(y!, branchSite(layer, 1), pass)), ...losses],
    saved: { ...attention.saved, ...network.saved, x: [x], h: [h!], norms: recompute ? [] : [n1!, n2!] },
  };
}

function backward(
  saved: Kept<Saved>,
  [dy, ...dlosses]: tf.Tensor[],
  layer: number,
  parameters: LayerParameters,
  pass: Pass,
  memo: RoutingMemo,
): { dx: tf.Tensor; gradients: [string, tf.Tensor][] } {
  const { config } = pass;
  const epsilon = { epsilon: config.normEpsilon };
  const [x, h] = [saved.x![0]!, saved.h![0]!];
  const [w1, w2] = [parameterAt(parameters, NORM_1), parameterAt(parameters, NORM_2)];
  const n2 = saved.norms![1] ?? runForward(rmsnormOp, [h, w2], epsilon)[0]!;
  const dbranch = dropBackward(dy!, branchSite(layer, 1), pass);
  const network =
    config.experts === undefined
      ? feedForwardBackward(dbranch, n2, saved, config, parameters)
      : mixtureBackward([dbranch, ...dlosses], n2, config, config.experts, parameters, memo);
  n2.dispose();
  const [dh, dw2] = runBackward(addrmsnormOp, [h, w2], [network.dn, dy!], epsilon);
  tf.dispose([network.dn, h]);
  const n1 = saved.norms![0] ?? runForward(rmsnormOp, [x, w1], epsilon)[0]!;
  const attention = attentionBackward(
    dropBackward(dh!, branchSite(layer, 0), pass),
    n1,
    saved,
    parameters,
    pass,
  );
  // The norm of x alone has the gradient of the norm of a sum that is x.
  const [dx, dw1] = runBackward(addrmsnormOp, [x, w1], [attention.dn, dh!], epsilon);
  tf.dispose([n1, attention.dn, dh!, x]);
  return {
    dx: dx!,
    gradients: [...network.gradients, ...attention.gradients, [NORM_1, dw1!], [NORM_2, dw2!]],
  };
}
