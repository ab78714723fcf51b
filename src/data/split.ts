/** Where a document goes: to one side, or its tail from a byte on is held out. */
export type Part = 'train' | 'heldout' | { readonly tailFrom: number };

/**
 * Decides what is held out of training, document by document in one pass, the same way each time. A document larger
 * than the whole share gives its own tail (so one book is cut once, near its end); of smaller ones, every so many are
 * held out whole, so that the share is kept all along.
 */
export class HeldOutSplit {
  readonly #share: number;
  readonly #largest: number;
  #seen = 0;
  #held = 0;

  /**
   * @param share of the text that is held out: from 0 to below 1
   * @param total size of all documents, as far as it is known
   */
  constructor(share: number, total: number) {
    this.#share = share;
    this.#largest = share * total;
  }

  /** Where the next document, of this size, goes. */
  next(size: number): Part {
    if (this.#share === 0) return 'train';
    this.#seen += size;
    if (size > this.#largest) {
      this.#held += size * this.#share;
      return { tailFrom: size * (1 - this.#share) };
    }
    if (this.#held + size / 2 > this.#seen * this.#share) return 'train';
    this.#held += size;
    return 'heldout';
  }
}

/**
 * Where to cut a text: after the line break that is nearest to `index` and not farther than `slack`, else at `index`,
 * never inside a character.
 */
export function cutNear(text: string, index: number, slack: number): number {
  const after = text.indexOf('\n', index) + 1;
  const before = text.lastIndexOf('\n', index - 1) + 1;
  const candidates = [before, after].filter((cut) => cut > 0 && Math.abs(cut - index) <= slack);
  const [best] = candidates.sort((a, b) => Math.abs(a - index) - Math.abs(b - index));
  return best ?? characterStart(text, index);
}

/** The index, or the one before it where that is inside a surrogate pair. */
export function characterStart(text: string, index: number): number {
  const inside = index > 0 && isLow(text.charCodeAt(index)) && isHigh(text.charCodeAt(index - 1));
  return inside ? index - 1 : index;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}
