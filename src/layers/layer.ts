import * as tf from '@tensorflow/tfjs-core';
import { InputSpec, initializers, type LayerVariable, layers, type Shape } from '@tensorflow/tfjs-layers';
import { MAX_ORDER } from '../activations/coefficients.js';
import { PolycomError } from '../errors.js';
import { checkNames, type Names } from '../options.js';
import {
  type Constraint,
  constraintOf,
  type Identifier,
  type Initializer,
  initializerOf,
  type Regularizer,
  regularizerOf,
  serialized,
} from './serialize.js';

/** What every layer of tfjs-layers takes: `inputShape`, `name`, `trainable`, `weights`, .. */
export type LayerArgs = NonNullable<ConstructorParameters<typeof layers.Layer>[0]>;

/** The configuration of a layer whose coefficients are trained. */
export interface PolyComLayerArgs extends LayerArgs {
  /** The highest power, 1 to 4; 3 by default. */
  order?: number;
  /** Of the weight `[order]`, highest power first; the constant 1 / order by default, as in the paper. */
  weightInitializer?: Identifier<Initializer>;
  /** None by default: coefficients do not want weight decay. */
  weightRegularizer?: Identifier<Regularizer> | null;
  weightConstraint?: Identifier<Constraint> | null;
  /** Of the bias, a scalar; `zeros` by default. */
  biasInitializer?: Identifier<Initializer>;
  /** None by default. */
  biasRegularizer?: Identifier<Regularizer> | null;
  biasConstraint?: Identifier<Constraint> | null;
}

/** What every layer of this package may be told. */
export const LAYER_ARGS: Names<PolyComLayerArgs> = {
  inputShape: true,
  batchInputShape: true,
  batchSize: true,
  dtype: true,
  name: true,
  trainable: true,
  weights: true,
  inputDType: true,
  order: true,
  weightInitializer: true,
  weightRegularizer: true,
  weightConstraint: true,
  biasInitializer: true,
  biasRegularizer: true,
  biasConstraint: true,
};

/** Checks a layer's configuration, also as tfjs-layers gives it while it reads a saved model: with `customObjects`. */
export function checkArgs<T extends PolyComLayerArgs>(op: string, args: T, names: Names<T>): void {
  const { customObjects: _, ...own } = args as T & { readonly customObjects?: unknown };
  checkNames(op, own as unknown as T, names);
}

const DEFAULT_ORDER = 3;

/** A layer with the coefficients of a polynomial: a weight `[order]` and a scalar bias, one set for the whole layer. */
export abstract class PolyComLayer extends layers.Layer {
  readonly order: number;
  readonly #weight: Coefficient;
  readonly #bias: Coefficient;

  constructor(args: PolyComLayerArgs = {}) {
    super(args);
    const op = this.getClassName();
    this.order = orderOf(op, args.order ?? DEFAULT_ORDER);
    const {
      weightInitializer = initializers.constant({ value: 1 / this.order }),
      biasInitializer = 'zeros',
    } = args;
    this.#weight = {
      initializer: initializerOf(op, 'weightInitializer', weightInitializer),
      regularizer: regularizerOf(op, 'weightRegularizer', args.weightRegularizer),
      constraint: constraintOf(op, 'weightConstraint', args.weightConstraint),
    };
    this.#bias = {
      initializer: initializerOf(op, 'biasInitializer', biasInitializer),
      regularizer: regularizerOf(op, 'biasRegularizer', args.biasRegularizer),
      constraint: constraintOf(op, 'biasConstraint', args.biasConstraint),
    };
    this.supportsMasking = true;
    this.inputSpec = [new InputSpec({ minNDim: 1 })];
  }

  /** The op itself. */
  protected abstract activate(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor;

  override build(inputShape: Shape | Shape[]): void {
    this.#weight.variable = this.#add('weight', [this.order], this.#weight);
    this.#bias.variable = this.#add('bias', [], this.#bias);
    super.build(inputShape);
  }

  #add(name: string, shape: Shape, { initializer, regularizer, constraint }: Coefficient): LayerVariable {
    return this.addWeight(name, shape, 'float32', initializer, regularizer, true, constraint);
  }

  override call(
    inputs: tf.Tensor | tf.Tensor[],
    kwargs: Parameters<layers.Layer['call']>[1],
  ): tf.Tensor | tf.Tensor[] {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const x = onlyOne(this.getClassName(), inputs, Array.isArray(inputs));
      return this.activate(x, this.#weight.variable!.read(), this.#bias.variable!.read());
    });
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return onlyOne<Shape>(this.getClassName(), inputShape as Shape | [Shape], Array.isArray(inputShape[0]));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {
      ...super.getConfig(),
      order: this.order,
      weightInitializer: serialized(this.#weight.initializer),
      weightRegularizer: serialized(this.#weight.regularizer),
      weightConstraint: serialized(this.#weight.constraint),
      biasInitializer: serialized(this.#bias.initializer),
      biasRegularizer: serialized(this.#bias.regularizer),
      biasConstraint: serialized(this.#bias.constraint),
    };
  }
}

/** A trained coefficient: how it begins, what holds it, and its variable once the layer is built. */
interface Coefficient {
  readonly initializer: Initializer;
  readonly regularizer: Regularizer | undefined;
  readonly constraint: Constraint | undefined;
  variable?: LayerVariable;
}

function orderOf(op: string, order: number): number {
  if (Number.isInteger(order) && order >= 1 && order <= MAX_ORDER) return order;
  throw new PolycomError(
    'INVALID_ARGUMENT',
    `order is ${order}; expected a whole number from 1 to ${MAX_ORDER}`,
    { op },
  );
}

function onlyOne<T>(op: string, given: T | T[], isList: boolean): T {
  if (!isList) return given as T;
  const list = given as T[];
  if (list.length === 1) return list[0]!;
  throw new PolycomError('INVALID_ARGUMENT', `the layer got ${list.length} inputs; expected one`, { op });
}
