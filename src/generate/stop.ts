/** Finds the first of several strings in a text that comes in pieces, and holds back what may become one of them. */
export class StopFilter {
  readonly #stops: readonly string[];
  #held = '';

  /** @param stops none of them empty */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /**
   * Takes the next piece.
   *
   * @returns the text that can be shown: once `stopped`, all of it before the string. The pieces do not matter: what
   *   stops the text is the string that is complete first, of two that end together the longer
   */
  push(piece: string): { readonly text: string; readonly stopped: boolean } {
    const text = this.#held + piece;
    const at = this.#find(text);
    if (at !== undefined) {
      this.#held = '';
      return { text: text.slice(0, at), stopped: true };
    }
    const shown = text.length - this.#heldBack(text);
    this.#held = text.slice(shown);
    return { text: text.slice(0, shown), stopped: false };
  }

  /** What was held back, at the end of the text. */
  end(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }

  /** Where the string begins that ends first. */
  #find(text: string): number | undefined {
    let [begin, end]: [number | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
    for (const stop of this.#stops) {
      const from = text.indexOf(stop);
      if (from < 0) continue;
      const to = from + stop.length;
      if (to < end || (to === end && from < begin!)) [begin, end] = [from, to];
    }
    return begin;
  }

  /** The length of the longest end of the text that begins a string. */
  #heldBack(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; --length) {
        if (stop.startsWith(text.slice(text.length - length))) longest = length;
      }
    }
    return longest;
  }
}
