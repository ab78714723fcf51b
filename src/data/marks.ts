import { characterStart } from './split.js';

/** A piece of a text between two marks; `ends` says that it is the last one. */
export interface MarkedPart {
  readonly text: string;
  readonly ends: boolean;
}

/**
 * Splits a text that comes in pieces at each mark, which is left out. A mark at the end of a line is left out with the line
 * break that follows it, so one on a line of its own leaves no empty line.
 */
export class MarkSplitter {
  readonly #mark: string;
  #rest = '';
  /** Whether the text at hand stands right behind a mark. */
  #isBehind = false;

  constructor(mark: string) {
    this.#mark = mark;
  }

  /** The parts that more text completes; what may begin a mark is held back. */
  *push(piece: string): Generator<MarkedPart> {
    this.#rest += piece;
    while (!this.#isBehind || this.#rest.length >= 2) {
      this.#dropBreak();
      const at = this.#rest.indexOf(this.#mark);
      if (at < 0) break;
      yield { text: this.#rest.slice(0, at), ends: true };
      this.#rest = this.#rest.slice(at + this.#mark.length);
      this.#isBehind = true;
    }
    if (this.#isBehind) return;
    const held = characterStart(this.#rest, Math.max(this.#rest.length - this.#mark.length + 1, 0));
    const text = this.#rest.slice(0, held);
    this.#rest = this.#rest.slice(held);
    if (text !== '') yield { text, ends: false };
  }

  /** The last part. */
  *end(): Generator<MarkedPart> {
    this.#dropBreak();
    yield { text: this.#rest, ends: true };
    this.#rest = '';
  }

  #dropBreak(): void {
    if (this.#isBehind) this.#rest = this.#rest.replace(/^\r?\n/, '');
    this.#isBehind = false;
  }
}

const SHOWN = 6;

/** Some of the special tokens of a tokenizer, first those that may end a text. */
export function marksShown(marks: readonly string[]): string {
  if (marks.length === 0) return 'none';
  const isEnd = (mark: string): boolean => /end|eo[ts]|\/s\b/i.test(mark);
  const sorted = [...marks.filter(isEnd), ...marks.filter((mark) => !isEnd(mark))];
  return [...sorted.slice(0, SHOWN), ...(marks.length > SHOWN ? ['...'] : [])].join(' ');
}
