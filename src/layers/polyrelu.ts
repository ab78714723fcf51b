import * as tf from '@tensorflow/tfjs-core';
import { polyRelu } from '../activations/polyrelu.js';
import { checkArgs, LAYER_ARGS, PolyComLayer, type PolyComLayerArgs } from './layer.js';

/** PolyReLU as a layer of tfjs-layers; `PolyReLU` in a saved model. */
export class PolyReluLayer extends PolyComLayer {
  static readonly className: string = 'PolyReLU';

  constructor(args: PolyComLayerArgs = {}) {
    checkArgs('PolyReLU', args, LAYER_ARGS);
    super(args);
  }

  protected override activate(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor {
    return polyRelu(x, weight, bias);
  }
}
tf.serialization.registerClass(PolyReluLayer, 'polycom');

/**
 * PolyReLU as a layer: y = b + Σ_p a_p max(x, 0)^p, with trained coefficients: a weight `[order]` and a scalar bias.
 * Input and output: any shape, float32. Masks pass through.
 *
 *     model.add(polyReluLayer());
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a bad order, initializer, regularizer or constraint
 */
export function polyReluLayer(args?: PolyComLayerArgs): PolyReluLayer {
  return new PolyReluLayer(args);
}
