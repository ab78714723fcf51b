/** A colour for each activation of the comparison, and a few for whatever else stands side by side; and the room between the report's parts. */
export const PALETTE: string = `:root {
  --s0: #1a6fd4; --s1: #2f9e6e; --s2: #d98324; --s3: #7d8791; --s4: #9b59c9; --s5: #d0477f; --s6: #0f9bb5; --s7: #8a6d3b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --s0: #4c9bf5; --s1: #3fb27f; --s2: #e0984a; --s3: #8d96a0; --s4: #b98ae0; --s5: #f07bab; --s6: #40c4dd; --s7: #b89a66;
  }
}
td.prose { white-space: normal; min-width: 200px; }
td { vertical-align: top; }
.panels + .scroll { margin-top: 20px; }
.scroll + p { margin-top: 10px; }`;

/** Of the activations that are compared, so that one has the same colour in every chart. */
const OF: readonly string[] = ['polynorm', 'polyrelu', 'swiglu', 'gelu', 'relu', 'relu2'];
const COLORS = 8;

/** The colour of an activation; of another name, that of its place. */
export function colorOf(name: string, place: number = 0): string {
  const known = OF.indexOf(name);
  return seriesColor(known >= 0 ? known : place);
}

/** The colour of a place in a list. */
export function seriesColor(place: number): string {
  return `var(--s${place % COLORS})`;
}
