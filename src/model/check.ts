import { MAX_ORDER } from '../activations/coefficients.js';
import { PolycomError } from '../errors.js';
import { excerpt } from '../excerpt.js';
import { unknownName } from '../options.js';
import {
  type ActivationOptions,
  activationNames,
  activationOf,
  coefficientsOf,
  isActivationName,
} from './activation.js';
import type { ExpertConfig, ModelConfig } from './config.js';
import { parameterTensors } from './shapes.js';

/** What one field of an object from outside must be. */
export type Field = { readonly expected: string; readonly holds: (value: unknown) => boolean };
/** A rule for each field. */
export type Fields<T> = { readonly [key in keyof Required<T>]: Field };

export const whole = (least: number): Field => ({
  expected: `a whole number, ${least} or more`,
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= least,
});
export const real = (expected: string, holds: (value: number) => boolean): Field => ({
  expected,
  holds: (value) => typeof value === 'number' && Number.isFinite(value) && holds(value),
});
export const flag: Field = { expected: 'true or false', holds: (value) => typeof value === 'boolean' };
export const positive: Field = real('a number above 0', (value) => value > 0);
export const notNegative: Field = real('a number, 0 or more', (value) => value >= 0);

const someObject: Field = {
  expected: 'an object, or nothing',
  holds: (value) => value === undefined || (typeof value === 'object' && value !== null),
};

const FIELDS: Fields<ModelConfig> = {
  vocabulary: whole(1),
  width: whole(1),
  layers: whole(1),
  heads: whole(1),
  kvHeads: whole(1),
  headWidth: {
    expected: 'an even number, 2 or more',
    holds: (value) => whole(2).holds(value) && (value as number) % 2 === 0,
  },
  hidden: whole(1),
  activation: {
    expected: `one of ${activationNames.join(', ')}`,
    holds: isActivationName,
  },
  activationOptions: someObject,
  order: {
    expected: `a whole number from 1 to ${MAX_ORDER}`,
    holds: (value) => whole(1).holds(value) && (value as number) <= MAX_ORDER,
  },
  context: whole(1),
  tied: flag,
  qkNorm: flag,
  ropeBase: real('a number above 1', (value) => value > 1),
  normEpsilon: notNegative,
  dropout: real('a number from 0 to below 1', (value) => value >= 0 && value < 1),
  experts: someObject,
  deviation: positive,
};

const EXPERT_FIELDS: Fields<ExpertConfig> = {
  count: whole(1),
  active: whole(1),
  coefficients: {
    expected: "'layer' or 'expert'",
    holds: (value) => value === 'layer' || value === 'expert',
  },
  normalised: flag,
  balanceWeight: notNegative,
  zWeight: notNegative,
};

const OPTION_FIELDS: Fields<ActivationOptions> = {
  epsilon: optional(notNegative),
  norm: optional({ expected: "'rms' or 'l2'", holds: (value) => value === 'rms' || value === 'l2' }),
  init: optional({
    expected: "'paper', or an array of numbers, highest power first",
    holds: (value) => value === 'paper' || (Array.isArray(value) && value.every(Number.isFinite)),
  }),
};

/** Ten times what the largest mixtures have: more is no model, and would fill the memory with names alone. */
const MOST_TENSORS = 2 ** 20;

function optional({ expected, holds }: Field): Field {
  return { expected: `${expected}, or nothing`, holds: (value) => value === undefined || holds(value) };
}

/**
 * Checks a configuration, also one that was read from a file.
 *
 * @returns the configuration
 * @throws {PolycomError} `INVALID_ARGUMENT` that names the field, what it is and what was expected
 */
export function checkConfig(config: ModelConfig): ModelConfig {
  if (typeof config !== 'object' || config === null) throw invalid('the configuration is no object');
  checkFields('', config, FIELDS);
  checkOptions(config);
  const { heads, kvHeads, experts } = config;
  if (heads % kvHeads !== 0) {
    throw invalid(`kvHeads is ${kvHeads}; expected a divisor of heads, which is ${heads}`);
  }
  if (experts !== undefined) checkExperts(experts);
  const tensors = parameterTensors(config);
  if (tensors <= MOST_TENSORS) return config;
  const parts = experts === undefined ? 'layers' : 'layers and experts';
  throw invalid(`its ${parts} have ${tensors} tensors; expected at most ${MOST_TENSORS}`);
}

function checkExperts(experts: ExpertConfig): void {
  checkFields('experts.', experts, EXPERT_FIELDS);
  if (experts.active <= experts.count) return;
  throw invalid(`experts.active is ${experts.active}; expected at most experts.count, ${experts.count}`);
}

/** An option that has no effect would make two runs look different that are not. */
function checkOptions({ activation, activationOptions, order }: ModelConfig): void {
  if (activationOptions === undefined) return;
  checkFields('activationOptions.', activationOptions, OPTION_FIELDS);
  const row = activationOf(activation);
  for (const name of ['epsilon', 'norm'] as const) {
    if (activationOptions[name] === undefined || row.scalars.includes(name)) continue;
    throw invalid(
      `activationOptions.${name} is given; expected none with ${activation}, which has no ${name}`,
    );
  }
  const { init = 'paper' } = activationOptions;
  if (init === 'paper') return;
  if (!coefficientsOf(row).includes('weight')) {
    throw invalid(`activationOptions.init is given; expected none with ${activation}, which has no weights`);
  }
  if (init.length === order) return;
  throw invalid(`activationOptions.init has ${init.length} weights; expected order, which is ${order}`);
}

function checkFields<T extends object>(prefix: string, given: T, fields: Fields<T>): void {
  const values = given as Readonly<Record<string, unknown>>;
  const table = fields as Readonly<Record<string, Field>>;
  for (const name of Object.keys(values)) {
    if (!Object.hasOwn(table, name)) {
      throw unknownName(OP, 'field', name, Object.keys(table), prefix);
    }
  }
  for (const [name, { expected, holds }] of Object.entries(table)) {
    const value = values[name];
    if (!holds(value)) throw invalid(`${prefix}${name} is ${excerpt(value)}; expected ${expected}`);
  }
}

const OP = 'model configuration';

function invalid(message: string): PolycomError {
  return new PolycomError('INVALID_ARGUMENT', message, { op: OP });
}
