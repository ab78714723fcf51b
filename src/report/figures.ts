import { contenderName, opName, passName } from '../bench/document.js';
import { duration, percent, threeDigits, times } from '../bench/format.js';
import { shapeName } from '../bench/shapes.js';
import type { Allocator, BenchDocument, BenchPass, OwnVariant } from '../bench/types.js';
import { type Bar, CHART_STYLE, drawBars, textWidth } from './bars.js';
import type { Charts } from './charts.js';
import { drawDots } from './dots.js';
import { peerFigures } from './peers.js';
import { rooflineFigures } from './roofline.js';
import {
  allocatorRows,
  atShape,
  copyRows,
  extreme,
  hostRows,
  type OwnRow,
  passesOf,
  type TimedRow,
} from './select.js';

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

/** A variant's colour, by the style's variables. */
export const VARIANT_COLORS: Readonly<Record<OwnVariant, string>> = {
  fused: 'var(--fused)',
  reference: 'var(--composed)',
  stock: 'var(--stock)',
  copy: 'var(--muted)',
};
const ALLOCATOR_COLORS: Readonly<Record<Allocator, string>> = {
  bfc: 'var(--fused)',
  default: 'var(--composed)',
  'default-no-onednn': 'var(--stock)',
};

/** The figures that a document has the rows for. */
export function figuresOf(document: BenchDocument, charts: Charts): Figure[] {
  const roofline = rooflineFigures(document, charts);
  if (roofline.length > 0) return roofline;
  const figures = [peerFigures, copyFigure, everyShapeFigure, hostFigure, overheadFigure, allocatorFigure];
  return figures.flatMap((figure) => figure(document, charts) ?? []);
}

/** What the bars' colours mean where variants are compared. */
export const VARIANT_LEGEND: Figure['legend'] = [
  { name: 'fused: this package', color: VARIANT_COLORS.fused },
  { name: 'composed of tf ops', color: VARIANT_COLORS.reference },
  { name: 'stock activations of tfjs-node', color: VARIANT_COLORS.stock },
];

function copyFigure(document: BenchDocument, charts: Charts): Figure | undefined {
  const every = copyRows(document);
  const shape = extreme(every, 'largest');
  if (shape === undefined) return undefined;
  const rows = atShape(every, shape);
  const nameOf = namer(rows);
  const copy = document.results.find(
    (row) => row.variant === 'copy' && row.backend === 'native' && shapeName(row) === shapeName(shape),
  );
  const panels = passesOf(rows).map((pass) => {
    const bars = rows
      .filter((row) => row.pass === pass)
      .map((row) => ({
        name: nameOf(row),
        value: row.of_copy,
        text: `${percent(row.of_copy)} (${threeDigits(row.gb_per_s)} GB/s)`,
        color: VARIANT_COLORS.fused,
      }));
    const mark = { at: 1, text: 'copy' };
    const how = { axis: "share of the copy's rate", mark, tick: percent };
    return {
      title: passName(pass),
      draw: (width: number) => drawBars(charts, bars, { width, ...how }),
    };
  });
  return {
    title: `How near a copy: kernels driven directly, ${shapeName(shape)}`,
    caption:
      'Bytes that the pass cannot avoid moving, over its time, against a copy of the same size in the same run' +
      (copy?.gb_per_s === undefined ? '.' : ` (${threeDigits(copy.gb_per_s)} GB/s, ${copy.method}).`),
    legend: [],
    panels,
  };
}

function everyShapeFigure(document: BenchDocument, charts: Charts): Figure | undefined {
  const rows = copyRows(document);
  const shapes = [...new Set(rows.map(shapeName))];
  if (shapes.length < 2) return undefined;
  const nameOf = namer(rows);
  const { plot, draw } = charts;
  const panels = passesOf(rows).map((pass) => {
    const cells = rows
      .filter((row) => row.pass === pass)
      .map((row) => ({
        shape: shapeName(row),
        name: nameOf(row),
        of_copy: row.of_copy,
        shade: shadeOf(row.of_copy),
      }));
    const names = [...new Set(cells.map(({ name }) => name))];
    const marginLeft = textWidth(names) + 12;
    const svg = draw({
      width: marginLeft + shapes.length * 104 + 10,
      height: names.length * 30 + 34,
      marginTop: 26,
      marginBottom: 6,
      marginLeft,
      marginRight: 6,
      style: CHART_STYLE,
      x: { axis: 'top', domain: shapes, label: null, tickSize: 0, padding: 0.03 },
      y: { domain: names, label: null, tickSize: 0, padding: 0.06 },
      marks: [
        plot.cell(cells, { x: 'shape', y: 'name', fill: 'var(--fused)', fillOpacity: 'shade', rx: 3 }),
        plot.text(cells, {
          x: 'shape',
          y: 'name',
          text: (cell: { of_copy: number }) => percent(cell.of_copy),
        }),
      ],
    });
    return { title: passName(pass), draw: () => svg, scrolls: true };
  });
  return {
    title: 'How near a copy, by shape',
    caption: 'As above, for every shape whose tensors do not fit the cache.',
    legend: [],
    panels,
    ...(shapes.length > 4 ? { size: 'wide' } : {}),
  };
}

/** Names rows by their op, and by their dtype where there are several. */
function namer(rows: readonly TimedRow[]): (row: TimedRow) => string {
  const dtypes = new Set(rows.map(({ dtype }) => dtype)).size;
  return (row) => (dtypes > 1 ? `${opName(row)} ${row.dtype}` : opName(row));
}

/** How strongly a cell is coloured: the text on it must stay legible. */
function shadeOf(share: number): number {
  return 0.05 + 0.5 * Math.min(1, Math.max(0, (share - 0.4) / 0.6));
}

function hostFigure(document: BenchDocument, charts: Charts): Figure | undefined {
  const rows = hostRows(document);
  const shape = extreme(rows, 'largest');
  if (shape === undefined) return undefined;
  return {
    title: `Inside tfjs-node, ${shapeName(shape)}`,
    caption: 'Median time of a call; shorter is better. Backward runs through the tape of tf.grads.',
    legend: VARIANT_LEGEND,
    panels: hostPanels(atShape(rows, shape), charts),
  };
}

function overheadFigure(document: BenchDocument, charts: Charts): Figure | undefined {
  const rows = hostRows(document);
  const shape = extreme(rows, 'smallest');
  if (shape === undefined || shapeName(shape) === shapeName(extreme(rows, 'largest')!)) return undefined;
  return {
    title: `What a call costs: ${shapeName(shape)} inside tfjs-node`,
    caption: 'So small a tensor takes no time itself: what is left is the price of every op that is called.',
    legend: VARIANT_LEGEND,
    panels: hostPanels(atShape(rows, shape), charts),
  };
}

function hostPanels(rows: readonly OwnRow[], charts: Charts): Figure['panels'] {
  return passesOf(rows).map((pass) => ({
    title: passName(pass),
    draw: (width) => drawHost(rows, pass, charts, width),
  }));
}

/** A pass of every contender inside tfjs-node, as bars. */
export function drawHost(rows: readonly OwnRow[], pass: BenchPass, charts: Charts, width: number): string {
  const bars = rows
    .filter((row) => row.pass === pass)
    .map((row): Bar => {
      const faster = row.vs_reference === undefined ? '' : ` (${times(row.vs_reference)} faster)`;
      const text = `${duration(row.ms_p50)}${faster}`;
      return { name: contenderName(row), value: row.ms_p50, text, color: VARIANT_COLORS[row.variant] };
    });
  const [factor, unit] = Math.max(...bars.map(({ value }) => value)) >= 1 ? [1, 'ms'] : [1000, 'µs'];
  const scaled = bars.map((bar) => ({ ...bar, value: bar.value * factor }));
  return drawBars(charts, scaled, { width, axis: unit });
}

function allocatorFigure(document: BenchDocument, charts: Charts): Figure | undefined {
  const rows = allocatorRows(document, 'forward');
  if (rows.length === 0) return undefined;
  const dots = rows.map((row) => ({
    name: contenderName(row),
    ms: row.ms_p50,
    color: ALLOCATOR_COLORS[row.allocator!],
  }));
  const allocators = [...new Set(rows.map(({ allocator }) => allocator!))];
  return {
    title: `What TensorFlow's allocator costs: forward, ${shapeName(rows[0]!)}`,
    caption:
      "The same calls in processes that differ in TensorFlow's CPU allocator. 'bfc', which reuses memory, is what " +
      "importing 'polycom/tensorflow' sets; 'default' reuses memory only while oneDNN is on.",
    legend: allocators.map((name) => ({ name, color: ALLOCATOR_COLORS[name] })),
    panels: [{ title: '', draw: (width) => drawDots(charts, dots, width) }],
    size: 'wide',
  };
}
