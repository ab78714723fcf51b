import { excerpt, nameOf } from '../common/excerpt.js';
import { isObject } from '../common/objects.js';

type Fields = Readonly<Record<string, unknown>>;

/** How far a vocabulary may have gaps, beside its own length: the library makes a list as long as the largest id. */
const MOST_GAPS = 2 ** 16;
/** Pre-tokenizers of pre-tokenizers. */
const MOST_NESTED = 8;

/**
 * Checks what the library takes on trust: that each token is a whole number, once, and not far beyond how many there
 * are; and that no part of the file makes it loop for ever.
 *
 * @param json a `tokenizer.json`
 * @throws {Error} that says what is wrong
 */
export function checkTokenizer(json: Fields): void {
  const { model, added_tokens: added, pre_tokenizer: preTokenizer } = json;
  if (!isObject(model)) throw new Error(`its model is ${excerpt(model)}; expected an object`);
  const ids = idsOf(model.vocab);
  const entries = checkAdded(added, ids);
  const count = ids.size + entries.length;
  for (const [token, id] of [...ids, ...entries]) {
    if (id < 2 * count + MOST_GAPS) continue;
    throw new Error(`the id of ${named(token)} is ${id}, but its vocabulary has ${count} tokens`);
  }
  checkLengths(preTokenizer, MOST_NESTED);
}

/** The id of each token of the model: by name, or in the order of a list. */
function idsOf(vocabulary: unknown): Map<string, number> {
  if (Array.isArray(vocabulary)) {
    return new Map(vocabulary.map((entry, id) => [pieceOf(entry, id), id]));
  }
  if (!isObject(vocabulary)) throw new Error(`its vocabulary is ${excerpt(vocabulary)}; expected an object`);
  const ids = new Map(Object.entries(vocabulary) as [string, number][]);
  checkIds(ids);
  return ids;
}

function pieceOf(entry: unknown, id: number): string {
  const [piece, score] = Array.isArray(entry) ? entry : [];
  if (typeof piece === 'string' && typeof score === 'number') return piece;
  throw new Error(`token ${id} of its vocabulary is ${excerpt(entry)}; expected a text and its score`);
}

/** The tokens beside the model's own, each of which may be one of the model's, with its id. */
function checkAdded(added: unknown, ids: ReadonlyMap<string, number>): [string, number][] {
  if (!Array.isArray(added)) throw new Error(`its added_tokens are ${excerpt(added)}; expected a list`);
  const entries = added.map((token: unknown): [string, number] => {
    const { content, id } = isObject(token) ? token : {};
    if (typeof content === 'string' && content !== '') return [content, id as number];
    throw new Error(`one of its added_tokens is ${excerpt(token)}; expected a content and an id`);
  });
  checkIds(entries);
  for (const [token, id] of entries) {
    const other = ids.get(token) ?? id;
    if (other !== id) throw new Error(`the id of ${named(token)} is ${id} and ${other}; expected one`);
  }
  return entries;
}

function checkIds(entries: Iterable<readonly [string, unknown]>): void {
  const tokens = new Map<number, string>();
  for (const [token, id] of entries) {
    if (!(Number.isSafeInteger(id) && (id as number) >= 0)) {
      throw new Error(`the id of ${named(token)} is ${excerpt(id)}; expected a whole number, 0 or more`);
    }
    const other = tokens.get(id as number);
    if (other !== undefined) throw new Error(`${named(other)} and ${named(token)} both have the id ${id}`);
    tokens.set(id as number, token);
  }
}

/** The library cuts a text into pieces of this length, were it 0. */
function checkLengths(preTokenizer: unknown, depth: number): void {
  if (!isObject(preTokenizer)) return;
  const { type, length, pretokenizers: parts } = preTokenizer;
  if (depth === 0) throw new Error('its pre_tokenizer is nested too deeply');
  if (type === 'FixedLength' && !(Number.isSafeInteger(length) && (length as number) > 0)) {
    throw new Error(
      `the length of its pre_tokenizer is ${excerpt(length)}; expected a whole number, 1 or more`,
    );
  }
  if (Array.isArray(parts)) for (const part of parts) checkLengths(part, depth - 1);
}

function named(token: string): string {
  return `'${nameOf(token)}'`;
}
