import * as tf from '@tensorflow/tfjs-core';
import {
  constraints,
  InputSpec,
  initializers,
  type LayerVariable,
  layers,
  regularizers,
  type Shape,
} from '@tensorflow/tfjs-layers';
import { ORDER, polynomialParameters } from '../activations/coefficients.js';
import { invalidArgument } from '../common/errors.js';
import { checkField } from '../common/fields.js';
import { checkNames, type Names } from '../common/options.js';
import { hasOrder, parameterShape } from '../op/sample.js';
import type { Op, Parameter } from '../op/types.js';
import {
  type Constraint,
  type Identifier,
  type Initializer,
  identified,
  type Regularizer,
  serialized,
} from './serialize.js';

/** What every layer of tfjs-layers takes: `inputShape`, `name`, `trainable`, `weights`, .. */
export type LayerArgs = NonNullable<ConstructorParameters<typeof layers.Layer>[0]>;

/** The configuration of a layer whose parameters are trained, each by its name in the row: `weightInitializer`. */
export interface ParameterArgs extends LayerArgs {
  /** The order of its polynomial, where it has one: 1 to 4; 3 by default. */
  order?: number;
  /** The values that training begins with; by default those of the row. */
  [initializer: `${string}Initializer`]: Identifier<Initializer> | undefined;
  /** None by default. */
  [regularizer: `${string}Regularizer`]: Identifier<Regularizer> | null | undefined;
  /** None by default. */
  [constraint: `${string}Constraint`]: Identifier<Constraint> | null | undefined;
}

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

/** What every layer of tfjs-layers may be told. */
const BASE_ARGS: Names<LayerArgs> = {
  inputShape: true,
  batchInputShape: true,
  batchSize: true,
  dtype: true,
  name: true,
  trainable: true,
  weights: true,
  inputDType: true,
};

/** What a layer with these parameters may be told. */
export function argsOf(parameters: Op['parameters']): Names<LayerArgs> & Readonly<Record<string, true>> {
  const names: string[] = Object.keys(parameters).flatMap((name) => ROLES.map((role) => argOf(name, role)));
  if (hasOrder({ parameters })) names.push('order');
  return { ...BASE_ARGS, ...Object.fromEntries(names.map((name) => [name, true] as const)) };
}

const ROLES = ['Initializer', 'Regularizer', 'Constraint'] as const;

/** The argument for a role of a parameter, in tfjs's camelCase: `alphaPInitializer` of `alpha_p`. */
function argOf<Role extends string>(parameter: string, role: Role): `${string}${Role}` {
  return `${parameter.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())}${role}`;
}

/** What a layer of a polynomial may be told. */
export const LAYER_ARGS: Names<PolyComLayerArgs> = argsOf(polynomialParameters) as Names<PolyComLayerArgs>;

/** Checks a layer's configuration, also as tfjs-layers gives it while it reads a saved model: with `customObjects`. */
export function checkArgs<T extends PolyComLayerArgs>(op: string, args: T, names: Names<T>): void {
  const { customObjects: _, ...own } = args as T & { readonly customObjects?: unknown };
  checkNames(op, own as unknown as T, names);
}

/** The order of a polynomial that a layer is not told. */
const DEFAULT_ORDER = 3;

/** A layer with learned parameters, one set for the whole layer. */
export abstract class ParameterLayer extends layers.Layer {
  /** The order of its polynomial; {@link DEFAULT_ORDER} where it has none. */
  readonly order: number;
  readonly #parameters: ReadonlyMap<string, Trained>;

  constructor(args: ParameterArgs, parameters: Op['parameters']) {
    super(args);
    const op = this.getClassName();
    this.order = args.order ?? DEFAULT_ORDER;
    checkField(op, 'order', this.order, ORDER);
    const trained = (name: string, parameter: Parameter): Trained => {
      const initializer = argOf(name, 'Initializer');
      const regularizer = argOf(name, 'Regularizer');
      const constraint = argOf(name, 'Constraint');
      const { [initializer]: first = firstOf(parameter, this.order) } = args;
      const [held, bound] = [args[regularizer], args[constraint]];
      return {
        shape: parameterShape(parameter, { order: this.order }),
        initializer: identified(op, initializer, first, initializers),
        regularizer: held == null ? undefined : identified(op, regularizer, held, regularizers),
        constraint: bound == null ? undefined : identified(op, constraint, bound, constraints),
      };
    };
    this.#parameters = new Map(Object.entries(parameters).map(([name, of]) => [name, trained(name, of)]));
    this.supportsMasking = true;
    this.inputSpec = [new InputSpec({ minNDim: 1 })];
  }

  /** The op itself, of the input and the parameters in the row's order. */
  protected abstract activate(x: tf.Tensor, ...parameters: tf.Tensor[]): tf.Tensor;

  override build(inputShape: Shape | Shape[]): void {
    for (const [name, of] of this.#parameters) {
      const { shape, initializer, regularizer, constraint } = of;
      of.variable = this.addWeight(name, shape, 'float32', initializer, regularizer, true, constraint);
    }
    super.build(inputShape);
  }

  override call(
    inputs: tf.Tensor | tf.Tensor[],
    kwargs: Parameters<layers.Layer['call']>[1],
  ): tf.Tensor | tf.Tensor[] {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const x = onlyOne(this.getClassName(), inputs, Array.isArray(inputs));
      return this.activate(x, ...[...this.#parameters.values()].map(({ variable }) => variable!.read()));
    });
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return onlyOne<Shape>(this.getClassName(), inputShape as Shape | [Shape], Array.isArray(inputShape[0]));
  }

  override getConfig(): tf.serialization.ConfigDict {
    const config = super.getConfig();
    for (const [name, { initializer, regularizer, constraint }] of this.#parameters) {
      config[argOf(name, 'Initializer')] = serialized(initializer);
      config[argOf(name, 'Regularizer')] = serialized(regularizer);
      config[argOf(name, 'Constraint')] = serialized(constraint);
    }
    return config;
  }
}

/** A trained parameter: how it begins, what holds it, and its variable once the layer is built. */
interface Trained {
  readonly shape: number[];
  readonly initializer: Initializer;
  readonly regularizer: Regularizer | undefined;
  readonly constraint: Constraint | undefined;
  variable?: LayerVariable;
}

function firstOf({ first }: Parameter, order: number): Identifier<Initializer> {
  if (first === 0) return 'zeros';
  return initializers.constant({ value: first === '1 / order' ? 1 / order : Number(first) });
}

/** A layer with the coefficients of a polynomial: a weight `[order]` and a scalar bias, one set for the whole layer. */
export abstract class PolyComLayer extends ParameterLayer {
  constructor(args: PolyComLayerArgs = {}) {
    super(args as ParameterArgs, polynomialParameters);
  }

  /** The op itself. */
  protected abstract override activate(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor;

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), order: this.order };
  }
}

function onlyOne<T>(op: string, given: T | T[], isList: boolean): T {
  if (!isList) return given as T;
  const list = given as T[];
  if (list.length === 1) return list[0]!;
  throw invalidArgument(`the layer got ${list.length} inputs; expected one`, { op });
}
