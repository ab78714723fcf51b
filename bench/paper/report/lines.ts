import type { Charts } from 'polycom/report';
import { CHART_STYLE } from 'polycom/report';

/** A point of a line, and the band around it where it has one. */
export interface LinePoint {
  readonly x: number;
  readonly y: number;
  readonly low?: number | null;
  readonly high?: number | null;
}

/** A line of a chart. */
export interface Series {
  readonly name: string;
  /** A CSS colour. */
  readonly color: string;
  readonly points: readonly LinePoint[];
  /** `line` by default: points are what was measured, with their bands as bars. */
  readonly drawn?: 'line' | 'dashed' | 'points';
}

/** How lines are drawn. */
export interface LineOptions {
  readonly width: number;
  readonly height?: number;
  readonly x: string;
  readonly y: string;
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** What of y is shown; all of it by default. */
  readonly domain?: readonly [number, number];
  /** Whether x counts something: its ticks are whole. */
  readonly wholeX?: boolean;
  /** Horizontal lines that the others are read against. */
  readonly marks?: readonly { readonly at: number; readonly text: string }[];
}

type Plot = Charts['plot'];

/** A chart that is narrower has room for fewer ticks. */
const NARROW = 400;

/** Lines with bands over a common axis. */
export function drawLines({ plot, draw }: Charts, series: readonly Series[], options: LineOptions): string {
  const { width, height = 300, x, y, logX = false, logY = false, domain, marks = [], wholeX } = options;
  const log = (type: boolean) => (type ? { type: 'log' as const } : {});
  const label = { labelAnchor: 'center', labelArrow: 'none' } as const;
  const xs = [...new Set(series.flatMap(({ points }) => points.map((point) => point.x)))];
  const ys = series.flatMap(({ points }) =>
    points.flatMap(({ y: value, low, high }) => [value, low ?? value, high ?? value]),
  );
  const ticks = wholeX
    ? { ticks: xs, tickFormat: String, inset: 14 }
    : {
        ...ticksOf(xs, logX, width < NARROW ? 3 : 5),
        ...(series.some(({ drawn }) => drawn === 'points') ? { inset: 8 } : {}),
      };
  const largest = Math.max(...xs);
  return draw({
    width,
    height,
    marginTop: 12,
    marginBottom: 40,
    marginLeft: 58,
    marginRight: 18,
    style: CHART_STYLE,
    x: { ...log(logX), ...label, label: x, ...ticks },
    y: {
      ...log(logY),
      ...label,
      label: y,
      grid: true,
      ...ticksOf(ys, logY),
      ...(domain === undefined ? { nice: true } : { domain: [...domain] }),
    },
    marks: [
      plot.frame({ stroke: 'var(--line)' }),
      ...marks.map(({ at }) =>
        plot.ruleY([at], { stroke: 'var(--muted)', strokeDasharray: '2,3', clip: true }),
      ),
      plot.text(marks, {
        x: () => largest,
        y: 'at',
        text: 'text',
        textAnchor: 'end',
        dy: -7,
        fill: 'var(--muted)',
        clip: true,
      }),
      ...series.flatMap((one) => marksOf(plot, one)),
    ],
  });
}

function marksOf(plot: Plot, { color, points, drawn = 'line' }: Series) {
  const banded = points.filter(({ low, high }) => low != null && high != null);
  const at = { x: 'x', y: 'y', clip: true } as const;
  const ends = { x: 'x', y1: 'low', y2: 'high', clip: true } as const;
  if (drawn === 'points') {
    return [
      plot.ruleX(banded, { ...ends, stroke: color, strokeWidth: 1.5 }),
      plot.dot(points, { ...at, fill: color, r: 3.5, stroke: 'var(--surface)', strokeWidth: 1 }),
    ];
  }
  const dashes = drawn === 'dashed' ? { strokeDasharray: '5,4' } : {};
  return [
    plot.areaY(banded, { ...ends, fill: color, fillOpacity: 0.12 }),
    plot.line(points, { ...at, stroke: color, strokeWidth: 1.8, ...dashes }),
  ];
}

/** Few enough not to run into each other: of a logarithmic axis, powers of ten, or 1, 2 and 5 times them. */
function ticksOf(values: readonly number[], logarithmic: boolean, count: number = 5) {
  if (!logarithmic) return { ticks: count, tickFormat: shortNumber };
  const [from, to] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const steps = to - from < 1.7 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil((to - from) / 6));
  const decades = Array.from(
    { length: Math.ceil(to) - Math.floor(from) + 1 },
    (_, i) => Math.floor(from) + i,
  );
  const ticks = decades
    .filter((decade) => decade % every === 0)
    .flatMap((decade) => steps.map((step) => step * 10 ** decade))
    .filter((tick) => tick >= 10 ** from * 0.999 && tick <= 10 ** to * 1.001);
  return { ticks, tickFormat: shortNumber };
}

/** `1.5 M`, `200 k`, `0.01`, `1e-7`: short, for ticks. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${trimmed(value / 1e9)} G`;
  if (size >= 1e6) return `${trimmed(value / 1e6)} M`;
  if (size >= 1e4) return `${trimmed(value / 1e3)} k`;
  if (size === 0 || size >= 1e-3) return trimmed(value);
  return value.toExponential(0);
}

function trimmed(value: number): string {
  return String(Number(value.toPrecision(4)));
}
