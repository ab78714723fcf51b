import * as tf from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { rowNamed } from '../activations/reference.js';
import type { ActivationName } from '../activations/table.js';
import type { Names } from '../common/options.js';
import { asTensor, invalid } from '../op/check.js';
import { isGated, packed } from '../op/gated.js';
import { optionsOf, scalarsFrom } from '../op/options.js';
import { runOp } from '../op/run.js';
import { hasOrder } from '../op/sample.js';
import type { Op, Scalars } from '../op/types.js';
import { argsOf, checkArgs, type ParameterArgs, ParameterLayer } from './layer.js';

/** The configuration of an {@link ActivationLayer}. */
export interface ActivationLayerArgs extends ParameterArgs {
  /** An activation with kernels, by its name: `swiglu`. */
  activation: ActivationName;
  /** Its scalars that are not the defaults, as its function takes them: `{ epsilon: 1e-5, norm: 'l2' }`. */
  scalars?: Readonly<Record<string, number | string>>;
}

const NAME = 'PolycomActivation';

/** Any activation of the table as a layer of tfjs-layers, its parameters trained; `PolycomActivation` in a saved model. */
export class ActivationLayer extends ParameterLayer {
  static readonly className: string = NAME;
  readonly activation: ActivationName;
  readonly scalars: Scalars;
  readonly #row: Op<ActivationName>;

  constructor(args: ActivationLayerArgs) {
    const row = rowNamed(args?.activation, NAME);
    const names = { ...argsOf(row.parameters), activation: true, scalars: true };
    checkArgs(NAME, args, names as Names<ActivationLayerArgs>);
    super(args, row.parameters);
    this.#row = row;
    this.activation = row.name;
    this.scalars = scalarsFrom(NAME, row, args.scalars);
  }

  protected override activate(x: tf.Tensor, ...parameters: tf.Tensor[]): tf.Tensor {
    const input = asTensor(NAME, 'x', x);
    if (!isGated(this.#row)) return runOp(this.#row, [input, ...parameters], this.scalars);
    if (input.shape.at(-1)! % 2 === 0) return runOp(packed(this.#row), [input, ...parameters], this.scalars);
    throw invalid(NAME, 'the last axis of x has odd length; expected [gate | up]', { x: input });
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const shape = super.computeOutputShape(inputShape);
    if (!isGated(this.#row)) return shape;
    const cols = shape.at(-1);
    return [...shape.slice(0, -1), typeof cols === 'number' ? cols / 2 : null];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { activation, order, scalars } = this;
    return {
      ...super.getConfig(),
      ...(hasOrder(this.#row) ? { order } : {}),
      ...{ activation, scalars: optionsOf(this.#row, scalars) },
    };
  }
}
tf.serialization.registerClass(ActivationLayer, 'polycom');

/**
 * An activation of the table as a layer, with its trained parameters, as `polycom`'s functions have them. Input: float32,
 * any shape of rank 1 or more; of a gated activation [gate | up], side by side on the last axis, of which the output has
 * half. Masks pass through.
 *
 *     model.add(activationLayer({ activation: 'swiglu' }));
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a bad name, order, scalar, initializer, regularizer or constraint
 */
export function activationLayer(args: ActivationLayerArgs): ActivationLayer {
  return new ActivationLayer(args);
}
