import { invalidArgument } from './errors.js';
import { excerpt } from './excerpt.js';
import { unknownName } from './options.js';

/** What one field of an object from outside must be. */
export interface Field {
  readonly expected: string;
  holds(value: unknown): boolean;
}

/** A rule for each field of a type. */
export type Fields<T> = { readonly [key in keyof Required<T>]: Field };

/** A whole number in a range. */
export function whole(
  least: number = Number.MIN_SAFE_INTEGER,
  most: number = Number.MAX_SAFE_INTEGER,
): Field {
  const above = least === Number.MIN_SAFE_INTEGER ? '' : `, ${least} or more`;
  const range = most === Number.MAX_SAFE_INTEGER ? above : ` from ${least} to ${most}`;
  return {
    expected: `a whole number${range}`,
    holds: (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
  };
}

/** An even number. */
export function even(least: number): Field {
  return {
    expected: `an even number, ${least} or more`,
    holds: (value) => whole(least).holds(value) && (value as number) % 2 === 0,
  };
}

/** A finite number for which a condition holds. */
export function real(expected: string, holds: (value: number) => boolean): Field {
  return {
    expected,
    holds: (value) => typeof value === 'number' && Number.isFinite(value) && holds(value),
  };
}

/** One of some texts. */
export function oneOf(...names: readonly string[]): Field {
  return { expected: `one of ${names.join(', ')}`, holds: (value) => names.includes(value as string) };
}

export const flag: Field = { expected: 'true or false', holds: (value) => typeof value === 'boolean' };
export const positive: Field = real('a number above 0', (value) => value > 0);
export const notNegative: Field = real('a number, 0 or more', (value) => value >= 0);
export const belowOne: Field = real('a number from 0 to below 1', (value) => value >= 0 && value < 1);

/**
 * Checks a value.
 *
 * @param op what it was given to, for the message
 * @throws {PolycomError} `INVALID_ARGUMENT` that names the value, what it is and what was expected
 */
export function checkField(op: string | undefined, name: string, value: unknown, field: Field): void {
  if (field.holds(value)) return;
  throw invalidArgument(`${name} is ${excerpt(value)}; expected ${field.expected}`, { op });
}

/**
 * Checks an object: that it has no fields but these, and the value of each.
 *
 * @param kind what its fields are to the caller: `option`
 * @param prefix what stands before a field's name in a message: `experts.`
 * @throws {PolycomError} `INVALID_ARGUMENT` that names the field, what it is and what was expected
 */
export function checkFields(
  op: string,
  kind: string,
  object: object,
  fields: Readonly<Record<string, Field>>,
  prefix: string = '',
): void {
  const values = object as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(values).find((name) => !Object.hasOwn(fields, name));
  if (unknown !== undefined) throw unknownName(op, kind, unknown, Object.keys(fields), prefix);
  for (const [name, field] of Object.entries(fields)) checkField(op, `${prefix}${name}`, values[name], field);
}
