/** The most characters of a foreign value in a message. */
const MOST = 80;
/** The most levels of it. */
const DEPTH = 3;

/**
 * The beginning of a value as JSON, for a message: a value from outside may be of any size, and nested so deeply that
 * `JSON.stringify` overflows the stack.
 */
export function excerpt(value: unknown): string {
  return cut(shown(value, MOST, DEPTH));
}

/** A name from outside, for a message: no longer than a line, and without what would move a terminal's cursor. */
export function nameOf(name: string, most: number = MOST): string {
  return cut(name.slice(0, most + 1).replace(/\p{Cc}/gu, '\ufffd'), most);
}

/** A shape as messages show it: `[2, 3]`. */
export function shapeText(shape: readonly number[]): string {
  return cut(`[${shape.slice(0, MOST).join(', ')}]`);
}

function cut(text: string, most = MOST): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** The value as JSON; more than `room` characters of it are not made. */
function shown(value: unknown, room: number, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, room + 1));
  if (typeof value !== 'object' || value === null) return String(value);
  const isList = Array.isArray(value);
  const [open, close] = isList ? '[]' : '{}';
  if (depth === 0) return `${open}…${close}`;
  let text = '';
  for (const [key, part] of entriesOf(value)) {
    if (text.length > room) break;
    const name = isList ? '' : `${JSON.stringify(key.slice(0, room + 1))}:`;
    text += `${text === '' ? '' : ','}${name}${shown(part, room - text.length, depth - 1)}`;
  }
  return `${open}${text}${close}`;
}

function* entriesOf(value: object): Generator<[string, unknown]> {
  for (const key in value) {
    if (Object.hasOwn(value, key)) yield [key, (value as Readonly<Record<string, unknown>>)[key]];
  }
}
