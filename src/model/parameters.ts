import * as tf from '@tensorflow/tfjs-core';
import { arrayType } from '../common/arrays.js';
import { invalidArgument, PolycomError } from '../common/errors.js';
import { hash, normalGenerator } from '../common/random.js';
import { sizeOf } from '../native/dtype.js';
import { firstCoefficients } from './activation.js';
import type { ModelConfig } from './config.js';
import { eachParameter } from './shapes.js';

/** Parameters by their whole names, in the order of `parameterShapes`. */
export type Parameters = ReadonlyMap<string, tf.Variable>;

/** The tensors of one layer by their names in it: `self_attn.q_proj.weight`. */
export type LayerParameters = ReadonlyMap<string, tf.Tensor>;

/** Where a parameter's first values come from. */
export type ParameterSource = (name: string, shape: readonly number[]) => Float32Array;

/**
 * The values a model begins with: matrices normal, those into the residual stream smaller by sqrt(2 layers), norms 1,
 * an activation's coefficients as the configuration says. Each depends on the seed and its name alone: models that
 * differ in their activation begin with the same values wherever their shapes agree.
 */
export function initialValues(config: ModelConfig, seed: number): ParameterSource {
  const { deviation, layers } = config;
  return (name, shape) => {
    const values = new Float32Array(sizeOf(shape));
    if (shape.length === 2) {
      const residual = /\.(o_proj|down_proj)\.weight$/.test(name);
      normalGenerator(seed, streamOf(name))(values, deviation / (residual ? Math.sqrt(2 * layers) : 1));
      return values;
    }
    const coefficient = /\.activation\.(\w+)$/.exec(name)?.[1];
    if (coefficient === undefined) return values.fill(1);
    return Float32Array.from(firstCoefficients(coefficient, config));
  };
}

/** The number of a name's stream of random numbers. */
function streamOf(name: string): number {
  return hash(...new TextEncoder().encode(name));
}

/**
 * A variable for each parameter, on the active backend. The array that the source gives becomes its memory, so that it
 * is nobody else's.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for values of another length than the parameter's
 */
export function createParameters(config: ModelConfig, source: ParameterSource): Map<string, tf.Variable> {
  const parameters = new Map<string, tf.Variable>();
  try {
    for (const [name, shape] of eachParameter(config)) {
      parameters.set(name, variableOf(name, shape, source));
    }
    return parameters;
  } catch (error) {
    for (const variable of parameters.values()) variable.dispose();
    throw error;
  }
}

function variableOf(name: string, shape: number[], source: ParameterSource): tf.Variable {
  const given = source(name, shape);
  const size = sizeOf(shape);
  const isFloats = arrayType(given) === 'Float32Array';
  if (!isFloats || given.length !== size) {
    const got = isFloats ? `${given.length} values` : 'no Float32Array';
    throw invalidArgument(`${name} got ${got}; expected ${size}`, { shapes: { [name]: shape } });
  }
  // Of this realm: tfjs takes another's for a list of numbers.
  const values = new Float32Array(given.buffer, given.byteOffset, given.length);
  // Without a name in tfjs's own list of variables, where two models would collide.
  return tf.tidy(() => tf.variable(tf.tensor(values, shape, 'float32')));
}

/** The parameters of each layer, by their names in it. */
export function layersOf({ layers }: ModelConfig, parameters: Parameters): LayerParameters[] {
  const found = Array.from({ length: layers }, () => new Map<string, tf.Tensor>());
  for (const [name, variable] of parameters) {
    const match = /^model\.layers\.(\d+)\.(.*)$/.exec(name);
    if (match !== null) found[Number(match[1])]!.set(match[2]!, variable);
  }
  return found;
}

/** A layer's parameter that the model's shapes promise. */
export function parameterAt<T extends tf.Tensor>(parameters: ReadonlyMap<string, T>, name: string): T {
  const tensor = parameters.get(name);
  if (tensor !== undefined) return tensor;
  throw new PolycomError('INTERNAL', `there is no parameter ${name}`);
}
