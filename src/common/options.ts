import { invalidArgument, type PolycomError } from './errors.js';
import { excerpt, nameOf } from './excerpt.js';

/** The names of a type's fields. The compiler finds one that is missing here, and one that there is none of. */
export type Names<T> = { readonly [name in keyof Required<T>]: true };

/** What has the names of a type's fields: {@link Names}, or the defaults of all. */
type Named<T> = { readonly [name in keyof Required<T>]: unknown };

/**
 * Checks that an options object has no field but those of its type: JavaScript would take a misspelt one for none.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` that names the field, the ones there are, and the one that was meant
 */
export function checkNames<T extends object>(op: string, options: T, names: Named<T>): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`the options are ${excerpt(options)}; expected an object`, { op });
  }
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(names, name)) throw unknownName(op, 'option', name, Object.keys(names));
  }
}

/**
 * The error of a name that there is none of.
 *
 * @param prefix what stands before the name in a message: `experts.`
 */
export function unknownName(
  op: string,
  kind: string,
  name: string,
  known: readonly string[],
  prefix = '',
): PolycomError {
  const meant = nearest(name, known);
  return invalidArgument(
    `there is no ${kind} ${prefix}${nameOf(name)}; expected ${known.join(', ') || 'none'}`,
    {
      op,
      remedy: meant && `did you mean ${prefix}${meant}?`,
    },
  );
}

/** The name that most resembles this one, if one does: no more than half of its letters differ. */
function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > LONGEST) return undefined;
  const distances = known.map((other) => distance(name.toLowerCase(), other.toLowerCase()));
  const least = Math.min(...distances);
  const found = known[distances.indexOf(least)];
  return found !== undefined && least <= Math.max(1, found.length / 2) ? found : undefined;
}

const LONGEST = 100;

/** How many letters are put in, left out or replaced between two names (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; ++j) {
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (letter === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
