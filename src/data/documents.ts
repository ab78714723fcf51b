import { createReadStream } from 'node:fs';
import { invalidArgument, PolycomError } from '../common/errors.js';
import { excerpt, nameOf } from '../common/excerpt.js';
import { checkChunk, Utf8Decoder } from '../common/text.js';
import type { InputFile } from './inputs.js';
import { type MarkedPart, MarkSplitter } from './marks.js';

/** One text among many: a file of text, or one of JSON lines. */
export interface Document {
  /** In bytes of UTF-8. */
  readonly size: number;
  /** Its text, piece by piece; to be read before the next document is asked for. */
  readonly pieces: AsyncIterable<string>;
}

const PIECE = 1 << 20;
const LONGEST_LINE = 1 << 28;
const NEWLINE = 10;

/**
 * The documents of a file, in pieces that fit memory however large the file is. A byte order mark is left out.
 *
 * @param field which string of each JSON line is the text
 * @param splitAt a mark at which texts are split into documents; see {@link MarkSplitter}
 * @throws {PolycomError} `INVALID_ARGUMENT` where the file is not UTF-8 or has NULs, a line is not such an object, or the
 *   file changes meanwhile
 */
export async function* documentsOf(
  file: InputFile,
  field: string,
  splitAt?: string,
): AsyncGenerator<Document> {
  if (file.kind === 'jsonl') {
    for await (const text of jsonTexts(file, field)) yield* textDocuments(text, splitAt);
  } else if (splitAt === undefined) yield { size: file.size, pieces: textPieces(file) };
  else yield* splitDocuments(file, splitAt);
}

/** Reads a file twice: how large its documents are, and then their texts. */
async function* splitDocuments(file: InputFile, mark: string): AsyncGenerator<Document> {
  const sizes = [0];
  for await (const { text, ends } of parts(file, mark)) {
    sizes[sizes.length - 1]! += Buffer.byteLength(text);
    if (ends) sizes.push(0);
  }
  const all = parts(file, mark);
  try {
    for (const size of sizes.slice(0, -1)) {
      const pieces = upToEnd(all);
      if (size > 0) yield { size, pieces };
      for await (const _ of pieces); // to the next document's start, also past an empty one
    }
    await all.next(); // to the file's end, where its size is checked
  } finally {
    await all.return(undefined);
  }
}

async function* parts(file: InputFile, mark: string): AsyncGenerator<MarkedPart> {
  const splitter = new MarkSplitter(mark);
  for await (const piece of textPieces(file)) yield* splitter.push(piece);
  yield* splitter.end();
}

async function* upToEnd(all: AsyncGenerator<MarkedPart>): AsyncGenerator<string> {
  for (;;) {
    const { value, done } = await all.next();
    if (done) return;
    yield value.text;
    if (value.ends) return;
  }
}

function* textDocuments(text: string, mark: string | undefined): Generator<Document> {
  const texts = mark === undefined ? [text] : splitText(text, mark);
  for (const part of texts) {
    if (part !== '') yield { size: Buffer.byteLength(part), pieces: once(part) };
  }
}

function splitText(text: string, mark: string): string[] {
  const splitter = new MarkSplitter(mark);
  const texts = [''];
  for (const part of [...splitter.push(text), ...splitter.end()]) {
    texts[texts.length - 1] += part.text;
    if (part.ends) texts.push('');
  }
  return texts;
}

async function* chunks(file: InputFile): AsyncGenerator<Buffer> {
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(file.path, { highWaterMark: PIECE })) {
      bytes += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  } catch (cause) {
    if (cause instanceof PolycomError || (cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw invalidArgument(`${file.path} cannot be read`, { cause });
  }
  if (bytes === file.size) return;
  throw invalidArgument(`${file.path} changed while it was read: ${bytes} bytes; expected ${file.size}`, {
    remedy: 'the same again, once nothing writes to it',
  });
}

async function* textPieces(file: InputFile): AsyncGenerator<string> {
  const decoder = new Utf8Decoder({ name: file.path });
  for await (const chunk of chunks(file)) {
    const text = decoder.push(chunk);
    if (text !== '') yield text;
  }
  const rest = decoder.end();
  if (rest !== '') yield rest;
}

async function* jsonTexts(file: InputFile, field: string): AsyncGenerator<string> {
  let number = 0;
  for await (const line of lines(file)) {
    ++number;
    yield textOf(line, field, `${file.path}:${number}`);
  }
}

async function* once(text: string): AsyncGenerator<string> {
  yield text;
}

async function* lines(file: InputFile): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let [held, bytes] = [0, 0];
  for await (const chunk of chunks(file)) {
    checkChunk(chunk, bytes, { name: file.path });
    bytes += chunk.length;
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield Buffer.concat([...parts, chunk.subarray(start, end)]);
      [parts, held, start] = [[], 0, end + 1];
    }
    parts.push(chunk.subarray(start));
    held += chunk.length - start;
    if (held > LONGEST_LINE) {
      throw invalidArgument(
        `${file.path} has a line of more than ${LONGEST_LINE >> 20} MiB: these are no JSON lines`,
        { remedy: 'one object a line; as plain text, it should not be called .jsonl' },
      );
    }
  }
  if (held > 0) yield Buffer.concat(parts);
}

/** The text of a line; nothing for a blank one. */
function textOf(line: Buffer, field: string, where: string): string {
  const row = parseLine(line, where);
  if (row === undefined) return '';
  const text = typeof row === 'object' && row !== null ? (row as Record<string, unknown>)[field] : undefined;
  if (typeof text === 'string') return text;
  throw invalidArgument(`${where}: no text '${field}'; the line has ${fieldsOf(row)}`, {
    remedy: 'name the field that has the text: --field <name>',
  });
}

function parseLine(line: Buffer, where: string): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(line).trim();
    return text === '' ? undefined : JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof SyntaxError ? cause.message : 'it is no UTF-8';
    throw invalidArgument(`${where} is no JSON: ${why}`, {
      remedy: 'one JSON object a line; a broken last line means that the file was cut off',
      cause,
    });
  }
}

function fieldsOf(row: unknown): string {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    return `no object: ${excerpt(row)}`;
  }
  const names = Object.entries(row).map(([name, value]) => `${nameOf(name)} (${typeof value})`);
  return names.length === 0 ? 'no fields' : names.slice(0, 20).join(', ');
}
