import {
  closeSync,
  createReadStream,
  fdatasyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fileError, typed } from '../checkpoint/files.js';

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

  private constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Opens a log to go on after a step; what tells of later steps is cut off, and so is a last line that was not written
   * to its end.
   *
   * @throws {PolycomError} `FILE_ERROR` where the system refuses
   */
  static async open(path: string, step: number): Promise<RunLog> {
    return await typed(path, 'write', async () => {
      mkdirSync(dirname(path), { recursive: true });
      const file = openSync(path, 'a');
      try {
        ftruncateSync(file, await lengthUpTo(path, step));
      } catch (error) {
        closeSync(file);
        throw error;
      }
      return new RunLog(path, file);
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

/** The bytes of the whole lines before the first one that tells of a later step. */
async function lengthUpTo(path: string, step: number): Promise<number> {
  let length = 0;
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    let from = 0;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, from)) {
      if (stepOf(rest.toString('utf8', from, end)) > step) return length;
      length += end + 1 - from;
      from = end + 1;
    }
    rest = rest.subarray(from);
  }
  return length;
}

/** The step that a line tells of; of one that is not ours, none that is later. */
function stepOf(line: string): number {
  try {
    const { step } = JSON.parse(line) as Partial<LogRecord>;
    return typeof step === 'number' ? step : 0;
  } catch {
    return 0;
  }
}
