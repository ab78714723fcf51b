import { invalidArgument, type PolycomError } from '../common/errors.js';
import { excerpt } from '../common/excerpt.js';
import { type Field, notNegative, positive, real, whole } from '../common/fields.js';
import { given } from '../common/objects.js';
import { checkNames } from '../common/options.js';

/** How the next token is chosen from the model's logits. */
export interface SamplingOptions {
  /** Logits are divided by it: below 1 the likely becomes likelier; 0 takes the most probable token. 1 by default. */
  readonly temperature?: number;
  /** Only so many of the most probable tokens may be chosen; all by default. */
  readonly topK?: number;
  /** Only the fewest most probable tokens whose probabilities sum to it may be chosen; 1, all, by default. */
  readonly topP?: number;
  /** Above 1, tokens that the text already has are less likely; 1 by default. */
  readonly repetitionPenalty?: number;
}

/** How texts are generated. */
export interface GenerateOptions extends SamplingOptions {
  /** The most new tokens of a text; 256 by default. */
  readonly tokens?: number;
  /** Strings that end a text, before them; none by default. */
  readonly stop?: readonly string[];
  /** Of the draws, a whole number: text i draws by `seed + i`, whatever is generated beside it. 0 by default. */
  readonly seed?: number;
  /**
   * What happens once a text has as many tokens as the model's context: it ends (`stop`, the default), or the older half
   * of the context is forgotten and the text goes on (`slide`).
   */
  readonly overflow?: 'stop' | 'slide';
  /** Tokens that stand before a prompt that is a text, unless it begins with them itself; none by default. */
  readonly begin?: readonly number[];
  /** Tokens that end a text; the tokenizer's end-of-text token, if it has one, by default. */
  readonly ends?: readonly number[];
}

/** Options with their defaults, but for `ends`, which has the tokenizer's. */
export type CheckedOptions = Required<Omit<GenerateOptions, 'ends'>> & Pick<GenerateOptions, 'ends'>;

const tokens: Field = {
  expected: 'a list of tokens',
  holds: (value) => Array.isArray(value) && value.every((token) => Number.isSafeInteger(token) && token >= 0),
};
const strings: Field = {
  expected: 'strings that are not empty',
  holds: (value) => Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== ''),
};
const count = whole(1);

/** The default of an option, and what it must be. */
type Rule<T> = readonly [value: T, field: Field];

/** Every option of {@link checkOptions}. */
export const RULES: { readonly [name in keyof GenerateOptions]-?: Rule<CheckedOptions[name] | undefined> } = {
  temperature: [1, notNegative],
  topK: [
    Number.POSITIVE_INFINITY,
    { ...count, holds: (value) => count.holds(value) || value === Number.POSITIVE_INFINITY },
  ],
  topP: [1, real('a number above 0, at most 1', (value) => value > 0 && value <= 1)],
  repetitionPenalty: [1, positive],
  tokens: [256, count],
  stop: [[], strings],
  seed: [0, whole()],
  overflow: [
    'stop',
    { expected: "'stop' or 'slide'", holds: (value) => value === 'stop' || value === 'slide' },
  ],
  begin: [[], tokens],
  ends: [undefined, tokens],
};

/**
 * Options with their defaults; undefined is none given.
 *
 * @param written how the caller's users write an option's name; as it is by default
 * @throws {PolycomError} `INVALID_ARGUMENT` that names the option, what it is and what was expected
 */
export function checkOptions(
  options: GenerateOptions,
  written: (name: string) => string = (name) => name,
): CheckedOptions {
  const some = given(options);
  checkNames('generate', some, RULES);
  for (const [name, value] of Object.entries(some)) {
    const [, { expected, holds }] = RULES[name as keyof GenerateOptions];
    if (!holds(value)) throw invalidOption(`${written(name)} is ${excerpt(value)}; expected ${expected}`);
  }
  const defaults = Object.fromEntries(Object.entries(RULES).map(([name, [value]]) => [name, value]));
  return given({ ...defaults, ...some }) as CheckedOptions;
}

/** An error of what `generate` was given. */
export function invalidOption(message: string, remedy?: string): PolycomError {
  return invalidArgument(message, { op: 'generate', remedy });
}
