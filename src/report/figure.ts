/** A chart, or some side by side, and what to read in them. */
export interface Figure {
  readonly title: string;
  readonly caption: string;
  readonly legend: readonly { readonly name: string; readonly color: string }[];
  readonly panels: readonly Panel[];
  /** Whether a panel takes half of the page's width, all of it, or a third: `half` by default. */
  readonly size?: 'half' | 'wide' | 'narrow';
}

/** One chart of a figure. */
export interface Panel {
  readonly title: string;
  /** Draws it as SVG, so many pixels wide: once for a screen and once for a phone. */
  readonly draw: (width: number) => string;
  /** Whether it is as wide as it must be, and is scrolled where there is less room. */
  readonly scrolls?: boolean;
}
