import * as tf from '@tensorflow/tfjs-core';
import { embedding } from '../transformer-ops/index.js';
import type { ExpertConfig } from './config.js';
import { activateExperts, byInput, joined, pieces } from './expert-activation.js';
import { activate, projections } from './feed-forward.js';
import type { LayerPass } from './forward-pass.js';
import { linear, meanOf } from './linear.js';
import { parameterAt } from './parameters.js';
import { type Routing, routeTokens } from './routing.js';

/** What a mixture of experts gives: y [rows, width], and its two losses. */
export type MixtureOutput = [y: tf.Tensor, balance: tf.Tensor, z: tf.Tensor];

/**
 * A mixture of experts of a block's normalised stream [rows, width], dropless, differentiably. Which experts are chosen
 * has no gradient: it is read on the host, off the tape; their probabilities have.
 *
 * y = Σ_k p_k expert_k(n), balance = E Σ_e f_e P_e (Fedus et al. 2021, arXiv 2101.03961: f_e the share of assignments
 * to e, P_e its mean probability), z = mean(logsumexp²) of the router (Zoph et al. 2022, arXiv 2202.08906).
 */
export function mixture(n: tf.Tensor, pass: LayerPass): MixtureOutput {
  const { config, parameters, memo } = pass;
  const experts = config.experts!;
  const router = linear(n, parameterAt(parameters, 'mlp.gate.weight'));
  const probabilities = tf.softmax(router);
  memo.routing ??= routeTokens(probabilities.dataSync(), experts.count, experts.active);
  const { routing } = memo;
  const answers = gathered(runExperts(gathered(n, routing.rows), routing.counts, pass), routing.places);
  return [
    combined(weightsOf(probabilities, experts, routing), answers),
    balanceLoss(probabilities, routing),
    meanOf(tf.square(logSumExp(router))),
  ];
}

/** The chosen probabilities, [rows, active]. */
function weightsOf(probabilities: tf.Tensor, experts: ExpertConfig, { picks }: Routing): tf.Tensor2D {
  const all = tf.reshape(probabilities, [probabilities.size, 1]);
  const weights = tf.reshape(gathered(all, picks), [picks.length / experts.active, experts.active]);
  if (!experts.normalised) return weights as tf.Tensor2D;
  // A product with ones, as a sum's gradient in tfjs uploads a tensor of them.
  return tf.div(weights, tf.matMul(weights as tf.Tensor2D, tf.ones([experts.active, 1])));
}

/** Rows of a matrix. */
function gathered(x: tf.Tensor, rows: Int32Array): tf.Tensor2D {
  return embedding(x, tf.tensor1d(rows, 'int32')) as tf.Tensor2D;
}

/** Each expert's network over its own rows, which follow each other. */
function runExperts(served: tf.Tensor, counts: readonly number[], pass: LayerPass): tf.Tensor {
  const { config, parameters } = pass;
  const busy = [...counts.keys()].filter((expert) => counts[expert]! > 0);
  const sizes = busy.map((expert) => counts[expert]!);
  const names = busy.map((expert) => `mlp.experts.${expert}`);
  const inputs = pieces(served, sizes);
  const projected = names.map((network, i) => projections(inputs[i]!, pass, network));
  const hidden =
    config.experts!.coefficients === 'expert'
      ? activateExperts(projected, { names, sizes }, pass)
      : pieces(activate(byInput(projected).map(joined), pass, 'mlp'), sizes);
  return joined(
    hidden.map((rows, i) => linear(rows, parameterAt(parameters, `${names[i]}.down_proj.weight`))),
  );
}

/** Σ_k weight_k answer_k of each token: [rows, active] by [rows · active, width]. */
function combined(weights: tf.Tensor2D, answers: tf.Tensor2D): tf.Tensor {
  const [rows, active] = weights.shape;
  const width = answers.shape[1];
  const products = tf.matMul(
    tf.reshape(weights, [rows, 1, active]),
    tf.reshape(answers, [rows, active, width]),
  );
  return tf.reshape(products, [rows, width]);
}

function balanceLoss(probabilities: tf.Tensor2D, { counts, picks }: Routing): tf.Scalar {
  const shares = counts.map((count) => (counts.length * count) / picks.length);
  return meanOf(tf.matMul(probabilities, tf.tensor2d(shares, [counts.length, 1])));
}

/** log Σ exp of each row. tfjs's own gradient of it uploads a tensor of ones of x's size. */
function logSumExp(x: tf.Tensor): tf.Tensor1D {
  const f = tf.customGrad((...given) => {
    const [rows, save] = given as unknown as [tf.Tensor, (tensors: tf.Tensor[]) => void];
    save([rows]);
    const gradFunc = (dy: tf.Tensor, [saved]: tf.Tensor[]) =>
      tf.tidy(() => tf.mul(tf.softmax(saved!), tf.expandDims(dy, -1)));
    return { value: tf.logSumExp(rows, -1), gradFunc };
  });
  return f(x) as tf.Tensor1D;
}
