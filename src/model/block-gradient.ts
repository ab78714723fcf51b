import * as tf from '@tensorflow/tfjs-core';
import { runBackward, runForward } from '../op/run.js';
import { addrmsnormOp, rmsnormOp } from '../transformer-ops/rmsnorm.js';
import { attentionBackward, attentionForward } from './attention-gradient.js';
import type { BlockOutput } from './block.js';
import { feedForwardBackward, feedForwardForward } from './feed-forward-gradient.js';
import { branchSite, dropBackward, dropForward, type LayerPass } from './forward-pass.js';
import { mixture } from './mixture.js';
import { mixtureBackward } from './mixture-gradient.js';
import { parameterAt } from './parameters.js';
import { type Kept, type NamedGradients, node, type Saved } from './tape-node.js';

const NORM_1 = 'input_layernorm.weight';
const NORM_2 = 'post_attention_layernorm.weight';

/**
 * A block with its gradient by hand: one node of the tape, which keeps the inputs of its products and of its
 * activation, and disposes of each as soon as the gradient has used it. A mixture runs again for its own gradient.
 *
 * @param recompute whether the norms' and the activation's outputs are computed again rather than kept
 */
export function handwrittenBlock(x: tf.Tensor, pass: LayerPass, recompute: boolean): BlockOutput {
  const { parameters } = pass;
  return node(
    [x, ...parameters.values()],
    () => forward(x, pass, recompute),
    (saved, dys) => {
      const { dx, gradients } = backward(saved, dys, pass);
      const found = new Map(gradients);
      return [dx, ...[...parameters.keys()].map((name) => parameterAt(found, name))];
    },
  );
}

function forward(x: tf.Tensor, pass: LayerPass, recompute: boolean): { outputs: tf.Tensor[]; saved: Saved } {
  const { config, layer, parameters } = pass;
  const epsilon = { epsilon: config.normEpsilon };
  const [n1] = runForward(rmsnormOp, [x, parameterAt(parameters, NORM_1)], epsilon);
  const attention = attentionForward(n1!, pass);
  const seen = dropForward(attention.y, branchSite(layer, 0), pass);
  const [n2, h] = runForward(addrmsnormOp, [seen, x, parameterAt(parameters, NORM_2)], epsilon);
  const network =
    config.experts === undefined
      ? feedForwardForward(n2!, pass, recompute)
      : { y: mixture(n2!, pass), saved: {} };
  const [y, ...losses] = Array.isArray(network.y) ? network.y : [network.y];
  return {
    outputs: [tf.add(h!, dropForward(y!, branchSite(layer, 1), pass)), ...losses],
    saved: { ...attention.saved, ...network.saved, x: [x], h: [h!], norms: recompute ? [] : [n1!, n2!] },
  };
}

function backward(
  saved: Kept<Saved>,
  [dy, ...dlosses]: tf.Tensor[],
  pass: LayerPass,
): { dx: tf.Tensor; gradients: NamedGradients } {
  const { config, layer, parameters } = pass;
  const epsilon = { epsilon: config.normEpsilon };
  const [x, h] = [saved.x![0]!, saved.h![0]!];
  const [w1, w2] = [parameterAt(parameters, NORM_1), parameterAt(parameters, NORM_2)];
  const n2 = saved.norms![1] ?? runForward(rmsnormOp, [h, w2], epsilon)[0]!;
  const dbranch = dropBackward(dy!, branchSite(layer, 1), pass);
  const network =
    config.experts === undefined
      ? feedForwardBackward(dbranch, n2, saved, pass)
      : mixtureBackward([dbranch, ...dlosses], n2, pass);
  n2.dispose();
  const [dh, dw2] = runBackward(addrmsnormOp, [h, w2], [network.dn, dy!], epsilon);
  tf.dispose([network.dn, h]);
  const n1 = saved.norms![0] ?? runForward(rmsnormOp, [x, w1], epsilon)[0]!;
  const attention = attentionBackward(dropBackward(dh!, branchSite(layer, 0), pass), n1, saved, pass);
  // The norm of x alone has the gradient of the norm of a sum that is x.
  const [dx, dw1] = runBackward(addrmsnormOp, [x, w1], [attention.dn, dh!], epsilon);
  tf.dispose([n1, attention.dn, dh!, x]);
  return {
    dx: dx!,
    gradients: [...network.gradients, ...attention.gradients, [NORM_1, dw1!], [NORM_2, dw2!]],
  };
}
