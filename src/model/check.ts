import { ORDER } from '../activations/coefficients.js';
import { invalidArgument, type PolycomError } from '../common/errors.js';
import {
  belowOne,
  checkFields,
  even,
  type Field,
  type Fields,
  flag,
  notNegative,
  oneOf,
  positive,
  real,
  whole,
} from '../common/fields.js';
import { fieldOf } from '../op/options.js';
import { type Activation, activationNames, activationOf, coefficientsOf } from './activation.js';
import type { ExpertConfig, ModelConfig } from './config.js';
import { parameterTensors } from './shapes.js';

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
  headWidth: even(2),
  hidden: whole(1),
  activation: oneOf(...activationNames),
  activationOptions: someObject,
  order: ORDER,
  context: whole(1),
  tied: flag,
  qkNorm: flag,
  ropeBase: real('a number above 1', (value) => value > 1),
  normEpsilon: notNegative,
  dropout: belowOne,
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

const INIT: Field = {
  expected: "'paper', or an array of numbers, highest power first",
  holds: (value) => value === 'paper' || (Array.isArray(value) && value.every(Number.isFinite)),
};

/** The options that the activation has: its scalars, and `init`. Those that only others have must be left out. */
function optionFields(activation: Activation): Readonly<Record<string, Field>> {
  const none = { expected: `none with ${activation.name}`, holds: () => false };
  const others = activationNames.flatMap((name) => Object.keys(activationOf(name).scalars));
  const own = Object.entries(activation.scalars).map(([name, scalar]): [string, Field] => [
    name,
    fieldOf(scalar),
  ]);
  const fields = { ...Object.fromEntries(others.map((name) => [name, none])), ...Object.fromEntries(own) };
  return Object.fromEntries(
    Object.entries({ ...fields, init: INIT }).map(([name, field]) => [name, optional(field)]),
  );
}

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
  checkFields(OP, 'field', config, FIELDS);
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
  checkFields(OP, 'field', experts, EXPERT_FIELDS, 'experts.');
  if (experts.active <= experts.count) return;
  throw invalid(`experts.active is ${experts.active}; expected at most experts.count, ${experts.count}`);
}

/** An option that has no effect would make two runs look different that are not. */
function checkOptions({ activation, activationOptions, order }: ModelConfig): void {
  if (activationOptions === undefined) return;
  const row = activationOf(activation);
  checkFields(OP, 'field', activationOptions, optionFields(row), 'activationOptions.');
  const { init = 'paper' } = activationOptions;
  if (init === 'paper') return;
  if (!coefficientsOf(row).includes('weight')) {
    throw invalid(`activationOptions.init is given; expected none with ${activation}, which has no weights`);
  }
  if (init.length === order) return;
  throw invalid(`activationOptions.init has ${init.length} weights; expected order, which is ${order}`);
}

const OP = 'model configuration';

function invalid(message: string): PolycomError {
  return invalidArgument(message, { op: OP });
}
