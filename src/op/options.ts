import { checkField, type Field, real } from '../common/fields.js';
import { checkNames } from '../common/options.js';
import type { Op, Range, Scalar, Scalars } from './types.js';

const RANGES: { readonly [range in Extract<Range, string>]: Parameters<typeof real> } = {
  finite: ['a finite number', () => true],
  'not negative': ['a finite number, 0 or more', (value) => value >= 0],
  positive: ['a finite number above 0', (value) => Math.fround(value) > 0],
};

/** What an option of a scalar's name must be: one of its choices, or a number of its range, which f32 holds. */
export function fieldOf({ choices, range = 'finite' }: Scalar): Field {
  if (choices !== undefined) {
    const expected = choices.map((choice) => `'${choice}'`).join(' or ');
    return { expected, holds: (value) => choices.includes(value as string) };
  }
  const [expected, holds] = typeof range === 'string' ? RANGES[range] : between(...range);
  return real(expected, (value) => Number.isFinite(Math.fround(value)) && holds(value));
}

function between(least: number, most: number): Parameters<typeof real> {
  return [`a number from ${least} to ${most}`, (value) => value >= least && value <= most];
}

/**
 * An op's scalars from the options of a public function, which have their names. A choice is given by its text, and
 * becomes its index, as the C functions take it.
 *
 * @param op the public function, for errors
 * @returns every scalar; one without an option, or with undefined, has its default
 * @throws {PolycomError} `INVALID_ARGUMENT` for an option of another name, and a value that is no choice or out of range
 */
export function scalarsFrom(op: string, { scalars }: Pick<Op, 'scalars'>, options: object = {}): Scalars {
  checkNames(op, options, scalars);
  const given = options as Readonly<Record<string, unknown>>;
  const entries = Object.entries(scalars).map(([name, scalar]) => {
    return [name, scalarFrom(op, name, scalar, given[name])] as const;
  });
  return Object.fromEntries(entries);
}

function scalarFrom(op: string, name: string, scalar: Scalar, value: unknown): number {
  if (value === undefined) return scalar.default;
  checkField(op, name, value, fieldOf(scalar));
  return scalar.choices?.indexOf(value as string) ?? (value as number);
}

/** The scalars of a call as the options of a public function: a choice by its text. */
export function optionsOf({ scalars }: Pick<Op, 'scalars'>, given: Scalars): Record<string, number | string> {
  const entries = Object.entries(given).map(([name, value]) => {
    return [name, scalars[name]!.choices?.[value] ?? value] as const;
  });
  return Object.fromEntries(entries);
}
