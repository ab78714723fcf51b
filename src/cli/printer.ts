/** Prints texts that come at once one after the other: one as it comes, those behind it once they may. */
export class TextPrinter {
  readonly #write: (text: string) => void;
  readonly #waiting: { text: string; finished: boolean }[];
  #row = 0;
  #last = '';

  constructor(count: number, write: (text: string) => void) {
    this.#write = write;
    this.#waiting = Array.from({ length: count }, () => ({ text: '', finished: false }));
    if (count > 1) this.#write(this.#title());
  }

  /** Takes a text's next piece. */
  add(row: number, text: string, finished: boolean): void {
    const waiting = this.#waiting[row]!;
    waiting.text += text;
    waiting.finished = finished;
    while (this.#row < this.#waiting.length) {
      const current = this.#waiting[this.#row]!;
      if (current.text !== '') this.#write(current.text);
      this.#last = current.text.at(-1) ?? this.#last;
      current.text = '';
      if (!current.finished) return;
      if (this.#last !== '\n') this.#write('\n');
      this.#last = '';
      ++this.#row;
      if (this.#row < this.#waiting.length) this.#write(this.#title());
    }
  }

  #title(): string {
    return `--- ${this.#row + 1} of ${this.#waiting.length} ---\n`;
  }
}
