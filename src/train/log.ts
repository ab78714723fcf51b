import { closeSync, createReadStream, fdatasyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileError, typed } from '../common/file-error.js';
import { makeFolder } from '../common/folder.js';

const NEWLINE = 0x0a;

/** One line of the log. */
export interface LogRecord {
  readonly kind: 'start' | 'step' | 'eval';
  /** The step it tells of; of a start, the step that training goes on after. */
  readonly step: number;
  readonly [key: string]: unknown;
}

/**
 * The log of a run: JSON, an object a line, in the order of steps. A run that resumes forgets what it had logged after its
 * checkpoint, so that each step is there once.
 */
export class RunLog {
  readonly #path: string;
  readonly #file: number;
  readonly #before: Before;

  private constructor(path: string, file: number, before: Before) {
    this.#path = path;
    this.#file = file;
    this.#before = before;
  }

  /** The last step of which it had an evaluation when it was opened; 0 for none. */
  get evaluated(): number {
    return this.#before.evaluated;
  }

  /** The line with which the process before this one began. */
  get started(): LogRecord | undefined {
    return this.#before.started;
  }

  /**
   * Opens a log to go on after a step; what tells of later steps is cut off, and so is a last line that was not written
   * to its end.
   *
   * @throws {PolycomError} `FILE_ERROR` where the system refuses
   */
  static async open(path: string, step: number): Promise<RunLog> {
    makeFolder(dirname(path));
    return await typed(path, 'write', async () => {
      const file = openSync(path, 'a');
      try {
        const before = await readUpTo(path, step);
        ftruncateSync(file, before.length);
        return new RunLog(path, file, before);
      } catch (error) {
        closeSync(file);
        throw error;
      }
    });
  }

  /** @throws {PolycomError} `FILE_ERROR` where the system refuses */
  write(record: LogRecord): void {
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    this.#typed(() => {
      for (let from = 0; from < line.length; ) from += writeSync(this.#file, line, from);
    });
  }

  /** Sends what was written to the disk: before a checkpoint, whose steps must not be lost here. */
  sync(): void {
    this.#typed(() => fdatasyncSync(this.#file));
  }

  close(): void {
    closeSync(this.#file);
  }

  #typed(work: () => void): void {
    try {
      work();
    } catch (cause) {
      throw fileError(this.#path, 'write', cause);
    }
  }
}

/** What a log holds up to a step. */
interface Before {
  /** In bytes. */
  readonly length: number;
  readonly evaluated: number;
  readonly started?: LogRecord;
}

/** Reads the whole lines before the first one that tells of a later step. */
async function readUpTo(path: string, step: number): Promise<Before> {
  let before: Before = { length: 0, evaluated: 0 };
  for await (const line of wholeLines(path)) {
    const record = recordOf(line);
    if (record !== undefined && record.step > step) return before;
    before = {
      ...before,
      length: before.length + line.length,
      ...(record?.kind === 'eval' ? { evaluated: record.step } : {}),
      ...(record?.kind === 'start' ? { started: record } : {}),
    };
  }
  return before;
}

/** The lines that end, with their ends. */
async function* wholeLines(path: string): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    let rest = chunk as Buffer;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield Buffer.concat([...parts, rest.subarray(0, end + 1)]);
      parts = [];
      rest = rest.subarray(end + 1);
    }
    parts.push(rest);
  }
}

/** No record of ours is as long: a line that is does not become a text. */
const LONGEST_LINE = 1 << 24;

/** The record of a line; nothing of one that is not ours. */
function recordOf(line: Buffer): LogRecord | undefined {
  if (line.length > LONGEST_LINE) return undefined;
  try {
    const record = JSON.parse(line.toString()) as LogRecord | null;
    return typeof record?.step === 'number' ? record : undefined;
  } catch {
    return undefined;
  }
}
