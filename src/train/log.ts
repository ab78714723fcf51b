import { closeSync, createReadStream, fdatasyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileError, typed } from '../file-error.js';
import { makeFolder } from '../folder.js';

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
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    let from = 0;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, from)) {
      const record = recordOf(rest.toString('utf8', from, end));
      if (record !== undefined && record.step > step) return before;
      before = {
        ...before,
        length: before.length + end + 1 - from,
        ...(record?.kind === 'eval' ? { evaluated: record.step } : {}),
        ...(record?.kind === 'start' ? { started: record } : {}),
      };
      from = end + 1;
    }
    rest = rest.subarray(from);
  }
  return before;
}

/** The record of a line; nothing of one that is not ours. */
function recordOf(line: string): LogRecord | undefined {
  try {
    const record = JSON.parse(line) as LogRecord | null;
    return typeof record?.step === 'number' ? record : undefined;
  } catch {
    return undefined;
  }
}
