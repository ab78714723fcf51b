import { contenderName, opName, passName } from '../bench/document.js';
import { duration, percent, threeDigits, times } from '../bench/format.js';
import { shapeName } from '../bench/shapes.js';
import type { Allocator, BenchDocument, BenchPass, OwnVariant } from '../bench/types.js';
import { type Bar, CHART_STYLE, drawBars, textWidth } from './bars.js';
import type { Charts } from './charts.js';
import { drawDots } from './dots.js';
import type { Figure } from './figure.js';
import { drawLines } from './lines.js';
import { peerFigures } from './peers.js';
import { rooflineFigures, rooflineRows } from './roofline.js';
import {
  allocatorRows,
  atShape,
  byDevice,
  copyRows,
  extreme,
  hostRows,
  measuredPasses,
  type OwnRow,
  type TimedRow,
} from './select.js';

/** A variant's colour, by the style's variables. */
export const VARIANT_COLORS: Readonly<Record<OwnVariant, string>> = {
  fused: 'var(--fused)',
  reference: 'var(--composed)',
  stock: 'var(--stock)',
  copy: 'var(--muted)',
  stream: 'var(--muted)',
};
const ALLOCATOR_COLORS: Readonly<Record<Allocator, string>> = {
  bfc: 'var(--fused)',
  default: 'var(--composed)',
  'default-no-onednn': 'var(--stock)',
};

/** The figures that a document has the rows for, device by device; those of another than the CPU are called by it. */
export function figuresOf(document: BenchDocument, charts: Charts): Figure[] {
  return byDevice(document).flatMap((part) => {
    const { device } = part.results[0]!;
    const called = (figure: Figure): Figure =>
      device === 'cpu' ? figure : { ...figure, title: `${figure.title}, ${device}` };
    const roofline = rooflineFigures(part, charts);
    if (roofline.length > 0) {
      // Of what was measured at one width alone, a figure a shape.
      const drawn = new Set(rooflineRows(part).map(({ op }) => op));
      const rest = { ...part, results: part.results.filter(({ op }) => !drawn.has(op)) };
      const width = widthFigure(part, charts);
      const figures = [...roofline, ...(width === undefined ? [] : [width]), ...peerFigures(rest, charts)];
      return device === 'cuda' ? figures : figures.map(called);
    }
    return FIGURES.flatMap((figure) => figure(part, charts) ?? []).map(called);
  });
}

const FIGURES = [
  peerFigures,
  nearFigure('of_copy', 'a copy', 'share of the rate of a copy'),
  nearFigure('of_stream', 'the fastest stream with the same reads and writes', 'share of its rate'),
  everyShapeFigure,
  widthFigure,
  hostFigure,
  overheadFigure,
  allocatorFigure,
];

/** What the bars' colours mean where variants are compared. */
export const VARIANT_LEGEND: Figure['legend'] = [
  { name: 'fused: this package', color: VARIANT_COLORS.fused },
  { name: 'composed of tf ops', color: VARIANT_COLORS.reference },
  { name: 'stock activations of tfjs-node', color: VARIANT_COLORS.stock },
];

/** A figure of how near a roof the kernels come at the largest shape. */
function nearFigure(share: 'of_copy' | 'of_stream', roof: string, axis: string) {
  return (document: BenchDocument, charts: Charts): Figure | undefined => {
    const every = copyRows(document).filter((row) => row[share] !== undefined);
    const shape = extreme(every, 'largest');
    if (shape === undefined) return undefined;
    const rows = atShape(every, shape);
    const nameOf = namer(rows);
    const panels = measuredPasses(rows).map((pass) => {
      const bars = rows
        .filter((row) => row.pass === pass)
        .map((row) => ({
          name: nameOf(row),
          value: row[share]!,
          text: `${percent(row[share]!)} (${threeDigits(row.gb_per_s)} GB/s)`,
          color: VARIANT_COLORS.fused,
        }));
      const how = { axis, mark: { at: 1, text: share === 'of_copy' ? 'copy' : 'stream' }, tick: percent };
      return {
        title: passName(pass),
        draw: (width: number) => drawBars(charts, bars, { width, ...how }),
      };
    });
    const measured = document.results
      .filter((row) => row.backend === 'native' && row.variant === share.slice('of_'.length))
      .filter((row) => shapeName(row) === shapeName(shape) && row.dtype === rows[0]!.dtype)
      .map((row) => `${row.traffic ?? '1:1'}: ${threeDigits(row.gb_per_s ?? 0)} GB/s, ${row.method}`);
    return {
      title: `How near ${roof}: kernels driven directly, ${shapeName(shape)}`,
      caption: `Bytes that the pass cannot avoid moving, over its time, against ${roof} of as large matrices in the same turns${measured.length === 0 ? '' : ` (${measured.join('; ')})`}.`,
      legend: [],
      panels,
    };
  };
}

function everyShapeFigure(document: BenchDocument, charts: Charts): Figure | undefined {
  const rows = copyRows(document);
  const shapes = [...new Set(rows.map(shapeName))];
  if (shapes.length < 2) return undefined;
  const nameOf = namer(rows);
  const { plot, draw } = charts;
  const panels = measuredPasses(rows).map((pass) => {
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

/** Ops whose rows are read twice, and one that goes element by element, to which a width is all the same. */
const SWEPT: ReadonlyMap<string, string> = new Map([
  ['polynorm', 'var(--fused)'],
  ['polynormglu', 'var(--composed)'],
  ['polyrelu', 'var(--stock)'],
]);

function widthFigure(document: BenchDocument, charts: Charts): Figure | undefined {
  const swept = copyRows(document).filter(({ op, of_stream }) => SWEPT.has(op) && of_stream !== undefined);
  const dtypes = [...new Set(swept.map(({ dtype }) => dtype))].filter(
    (dtype) => new Set(swept.filter((row) => row.dtype === dtype).map(({ cols }) => cols)).size >= 4,
  );
  const rows = swept.filter(({ dtype }) => dtypes.includes(dtype));
  if (rows.length === 0) return undefined;
  const shown = [...SWEPT].filter(([name]) => rows.some(({ op }) => op === name));
  return {
    title: 'What a width costs',
    caption:
      'As above, beside the fastest stream with the same reads and writes. A narrow row has few elements to share ' +
      'what it costs by itself; a wide one is read a second time from a farther cache.',
    legend: shown.map(([name, color]) => ({ name: opName(rows.find(({ op }) => op === name)!), color })),
    panels: dtypes.flatMap((dtype) =>
      measuredPasses(rows).map((pass) => {
        const points = rows
          .filter((row) => row.pass === pass && row.dtype === dtype)
          .map(({ op, cols, of_stream }) => ({ cols, share: of_stream!, line: op, color: SWEPT.get(op)! }));
        const title = dtypes.length > 1 ? `${passName(pass)}, ${dtype}` : passName(pass);
        return { title, draw: (width: number) => drawLines(charts, points, { width }) };
      }),
    ),
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
  return measuredPasses(rows).map((pass) => ({
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
