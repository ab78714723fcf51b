import { type Command, InvalidArgumentError, Option } from 'commander';
import { invalidArgument, PolycomError } from '../common/errors.js';
import { excerpt, nameOf } from '../common/excerpt.js';
import { isObject } from '../common/objects.js';
import { readTextSync } from '../common/text.js';

/** `--config <file>`. */
export function configFileOption(): Option {
  return new Option(
    '--config <file>',
    'a JSON object of these options, such as {"steps": 500, "evalEvery": 50}',
  );
}

/**
 * Gives a command the options of a JSON file: keys are the options' names in camelCase. What the command line says itself
 * goes before.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a file that cannot be read, a key that is no option, or a value that it
 *   refuses
 */
export function readConfigFile(command: Command, path: string | undefined): void {
  if (path === undefined) return;
  const known = new Map(command.options.map((option) => [option.attributeName(), option]));
  known.delete('config');
  for (const [key, value] of Object.entries(readObject(path))) {
    const option = known.get(key);
    if (option === undefined) {
      const remedy = `the keys are: ${[...known.keys()].join(', ')}`;
      throw invalidArgument(`${path}: there is no option '${nameOf(key)}'`, { remedy });
    }
    if (command.getOptionValueSource(key) === 'cli') continue;
    command.setOptionValueWithSource(key, parsed(path, key, option, value), 'config');
  }
}

function readObject(path: string): object {
  let json: unknown;
  try {
    json = JSON.parse(readTextSync(path));
  } catch (cause) {
    if (cause instanceof PolycomError) throw cause;
    throw invalidArgument(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  if (isObject(json)) return json;
  throw invalidArgument(`${path} is no JSON object`, {
    remedy: 'see --help for the options, which are its keys',
  });
}

/** A value as the command line would have it: flags are true or false, and what is given several times is a list. */
function parsed(path: string, key: string, option: Option, value: unknown): unknown {
  if (option.isBoolean() || option.negate) {
    if (typeof value === 'boolean') return value;
    throw invalidArgument(`${path}: ${key} is ${excerpt(value)}; expected true or false`);
  }
  const texts =
    option.flags.includes('=') && isObject(value) ? pairs(`${path}: ${key}.`, value) : [value].flat();
  if (texts.length === 0 || !texts.every((text) => typeof text === 'string' || typeof text === 'number')) {
    throw invalidArgument(
      `${path}: ${key} is ${excerpt(value)}; expected a text, a number or a list of them`,
    );
  }
  if (texts.length > MOST_VALUES) {
    throw invalidArgument(`${path}: ${key} has ${texts.length} values; expected at most ${MOST_VALUES}`, {
      remedy: 'of many files, name the folder that they are in',
    });
  }
  try {
    return texts.reduce<unknown>((before, text) => parse(option, String(text), before), undefined);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw invalidArgument(`${path}: ${key} is ${excerpt(value)}; ${error.message}`);
  }
}

/** An object as pairs: `{"experts": {"count": 8}}` as `experts.count=8`. */
function pairs(where: string, value: object, prefix = '', depth = MOST_NESTED): string[] {
  return Object.entries(value).flatMap(([key, field]: [string, unknown]) => {
    const name = `${prefix}${key}`;
    if (isObject(field) && depth > 0) return pairs(where, field, `${name}.`, depth - 1);
    if (![field].flat().some((part) => typeof part === 'object' && part !== null)) {
      return [`${name}=${JSON.stringify(field)}`];
    }
    throw invalidArgument(
      `${where}${nameOf(name)} is ${excerpt(field)}; expected a text, a number or a list of them`,
    );
  });
}

/** No option is meant to be given so often; each value copies the list of those before it. */
const MOST_VALUES = 1000;

/** An option's fields may have fields of their own. */
const MOST_NESTED = 2;

function parse({ parseArg, variadic }: Option, text: string, before: unknown): unknown {
  if (parseArg !== undefined) return parseArg(text, before as never);
  return variadic ? [...((before as string[] | undefined) ?? []), text] : text;
}
