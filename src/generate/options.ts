import { PolycomError } from '../errors.js';
import { excerpt } from '../excerpt.js';
import { unknownName } from '../options.js';
import type { SamplingOptions } from './sampling.js';

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

const DEFAULTS: CheckedOptions = {
  temperature: 1,
  topK: Number.POSITIVE_INFINITY,
  topP: 1,
  repetitionPenalty: 1,
  tokens: 256,
  stop: [],
  seed: 0,
  overflow: 'stop',
  begin: [],
};

interface Rule {
  readonly expected: string;
  holds(value: unknown): boolean;
}

const number = (expected: string, holds: (value: number) => boolean): Rule => ({
  expected,
  holds: (value) => typeof value === 'number' && holds(value),
});

const tokens: Rule = {
  expected: 'a list of tokens',
  holds: (value) => Array.isArray(value) && value.every((token) => Number.isSafeInteger(token) && token >= 0),
};

const RULES: Readonly<Record<keyof GenerateOptions, Rule>> = {
  temperature: number('a number, 0 or more', (value) => value >= 0 && value < Number.POSITIVE_INFINITY),
  topK: number('a whole number, 1 or more', (value) => {
    return value >= 1 && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY);
  }),
  topP: number('a number above 0, at most 1', (value) => value > 0 && value <= 1),
  repetitionPenalty: number('a number above 0', (value) => value > 0 && value < Number.POSITIVE_INFINITY),
  tokens: number('a whole number, 1 or more', (value) => Number.isSafeInteger(value) && value >= 1),
  stop: {
    expected: 'strings that are not empty',
    holds: (value) => Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== ''),
  },
  seed: number('a whole number', Number.isSafeInteger),
  overflow: { expected: "'stop' or 'slide'", holds: (value) => value === 'stop' || value === 'slide' },
  begin: tokens,
  ends: tokens,
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
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!Object.hasOwn(RULES, name)) {
      throw unknownName('generate', 'option', name, Object.keys(RULES));
    }
    const { expected, holds } = RULES[name as keyof GenerateOptions];
    if (!holds(value)) throw invalidOption(`${written(name)} is ${excerpt(value)}; expected ${expected}`);
  }
  return { ...DEFAULTS, ...Object.fromEntries(given) };
}

/** An error of what `generate` was given. */
export function invalidOption(message: string, remedy?: string): PolycomError {
  return new PolycomError('INVALID_ARGUMENT', message, {
    op: 'generate',
    ...(remedy === undefined ? {} : { remedy }),
  });
}
