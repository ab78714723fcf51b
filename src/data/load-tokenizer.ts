import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { invalidArgument, PolycomError } from '../common/errors.js';
import { isObject } from '../common/objects.js';
import { readText } from '../common/text.js';
import { byteTokenizer, byteTokenizerJson } from './bytes.js';
import { huggingFaceTokenizer } from './huggingface.js';
import { numberTokenizer, numberTokenizerJson } from './numbers.js';
import { TOKENIZER_FILE, type Tokenizer } from './tokenizer.js';

/**
 * The tokenizer of that name, file or folder.
 *
 * @param from `bytes`, the path of a `tokenizer.json`, or a folder that holds one
 * @param options.endOfText the token that ends a text, where the files do not say, or another one
 * @throws {PolycomError} `INVALID_ARGUMENT` where there is none, it is damaged, or has no such token; `UNSUPPORTED` where
 *   its library is not installed, or its model is of a kind that this does not run
 */
export async function loadTokenizer(
  from: string,
  { endOfText }: { readonly endOfText?: string } = {},
): Promise<Tokenizer> {
  if (from === byteTokenizer.name) return endingIn(byteTokenizer, endOfText);
  const file = (await isFolder(from)) ? join(from, TOKENIZER_FILE) : from;
  const text = await readText(file).catch((cause: unknown) => {
    if (cause instanceof PolycomError) throw cause;
    throw invalidArgument(`tokenizer '${from}' cannot be read`, {
      remedy: `give '${byteTokenizer.name}', or the path of a ${TOKENIZER_FILE}`,
      cause,
    });
  });
  const json = parse(text, file);
  const ours = builtIn(json);
  return ours === undefined ? huggingFaceTokenizer(file, text, json, endOfText) : endingIn(ours, endOfText);
}

/** A tokenizer of ours, whose end of a text is what it is. */
function endingIn(tokenizer: Tokenizer, endOfText: string | undefined): Tokenizer {
  const { name, marks = [] } = tokenizer;
  if (endOfText === undefined || marks.includes(endOfText)) return tokenizer;
  throw invalidArgument(`tokenizer ${name} has no token '${endOfText}' to end a text`, {
    remedy: marks.length === 0 ? 'leave the end of a text out' : `its end of a text is ${marks.join(' ')}`,
  });
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

function parse(text: string, file: string): Readonly<Record<string, unknown>> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalidArgument(`${file} is not JSON: it is damaged, or no ${TOKENIZER_FILE}`, { cause });
  }
  if (isObject(json)) return json;
  throw invalidArgument(`${file} is no ${TOKENIZER_FILE}: expected a JSON object`);
}

/** The built-in tokenizer that was saved as this: it needs no library. */
function builtIn(json: Record<string, unknown>): Tokenizer | undefined {
  const { model } = json as { model?: { vocab?: object } | null };
  // Goes no deeper than ours does, however deep a foreign file is.
  const same = (other: unknown): boolean => isDeepStrictEqual(json, other);
  if (same(byteTokenizerJson())) return byteTokenizer;
  const count = Object.keys(model?.vocab ?? {}).length;
  return same(numberTokenizerJson(count)) ? numberTokenizer(count) : undefined;
}
