import * as tf from '@tensorflow/tfjs-core';
import { type Norm, polyNorm, polynormRow } from '../activations/polynorm.js';
import type { Names } from '../common/options.js';
import { scalarsFrom } from '../op/options.js';
import { checkArgs, LAYER_ARGS, PolyComLayer, type PolyComLayerArgs } from './layer.js';

/** The configuration of a {@link PolyNormLayer}. */
export interface PolyNormLayerArgs extends PolyComLayerArgs {
  /** Inside the root; 1e-6 by default. */
  epsilon?: number;
  /** `rms` by default, as the official code; `l2` for the paper's Eq. 3. */
  norm?: Norm;
}

const ARGS: Names<PolyNormLayerArgs> = { ...LAYER_ARGS, epsilon: true, norm: true };

/** PolyNorm over the last axis as a layer of tfjs-layers; `PolyNorm` in a saved model. */
export class PolyNormLayer extends PolyComLayer {
  static readonly className: string = 'PolyNorm';
  readonly epsilon: number;
  readonly norm: Norm;

  constructor(args: PolyNormLayerArgs = {}) {
    checkArgs('PolyNorm', args, ARGS);
    super(args);
    const { epsilon, norm } = polynormRow.scalars;
    this.epsilon = args.epsilon ?? epsilon!.default;
    this.norm = args.norm ?? (norm!.choices![norm!.default] as Norm);
    scalarsFrom('PolyNorm', polynormRow, { epsilon: this.epsilon, norm: this.norm }); // checks them
  }

  protected override activate(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor {
    return polyNorm(x, weight, bias, { epsilon: this.epsilon, norm: this.norm });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), epsilon: this.epsilon, norm: this.norm };
  }
}
tf.serialization.registerClass(PolyNormLayer, 'polycom');

/**
 * PolyNorm as a layer: y = b + Σ_p a_p x^p / sqrt(mean(x^2p) + ε) over the last axis, with trained coefficients: a
 * weight `[order]` and a scalar bias. Input and output: any shape of rank 1 or more, float32. Masks pass through.
 *
 *     model.add(polyNormLayer());
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a bad order, epsilon, norm, initializer, regularizer or constraint
 */
export function polyNormLayer(args?: PolyNormLayerArgs): PolyNormLayer {
  return new PolyNormLayer(args);
}
