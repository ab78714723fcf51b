import type { Charts } from './charts.js';

type Mark = ReturnType<Charts['plot']['ruleX' | 'text']>;

/** A bar of a chart. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  /** At the bar's end. */
  readonly text: string;
  /** A CSS colour. */
  readonly color: string;
}

/** How values on a linear axis are drawn. */
export interface ValueOptions {
  readonly width: number;
  readonly axis: string;
  /** A value that the others are measured against. */
  readonly mark?: { readonly at: number; readonly text: string };
  /** How a tick of the axis is written. */
  readonly tick?: (value: number) => string;
}

/** The text and ground of every chart. */
export const CHART_STYLE = { fontSize: '12px', color: 'var(--ink)', background: 'none' } as const;

const LETTER = 7.2;
const ROW = 22;
const NAME_HEIGHT = 16;
const BOTTOM = 40;

/** The width that a text takes, about, as there is no browser to ask. */
export function textWidth(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length)) * LETTER;
}

/** Where the names of a chart's lines stand. */
export interface NameLayout {
  readonly marginLeft: number;
  /** How much higher a line is than without its name above it. */
  readonly extraHeight: number;
  /** Whether each name stands above its line, as there is no room before it. */
  readonly above: boolean;
}

/** Before the lines of a chart; above them where that would take more than a third of its width. */
export function layOutNames(names: readonly string[], width: number): NameLayout {
  const marginLeft = textWidth(names) + 12;
  if (marginLeft <= width / 3) return { marginLeft, extraHeight: 0, above: false };
  return { marginLeft: 8, extraHeight: NAME_HEIGHT, above: true };
}

/** The axis of names, and the marks that write them where they stand above their lines. */
export function nameAxis(
  plot: Charts['plot'],
  names: readonly string[],
  { above }: NameLayout,
): { readonly y: object; readonly marks: readonly Mark[] } {
  const axis = { domain: [...names], label: null, tickSize: 0 };
  if (!above) return { y: axis, marks: [] };
  const place = { y: (name: string) => name, text: (name: string) => name, frameAnchor: 'left' } as const;
  const style = {
    textAnchor: 'start',
    lineAnchor: 'bottom',
    dy: -5,
    fill: 'var(--muted)',
    stroke: 'var(--surface)',
    strokeWidth: 3,
  } as const;
  return { y: { ...axis, axis: null }, marks: [plot.text(names, { ...place, ...style })] };
}

/** The linear axis of values in a domain, `room` pixels long. */
export function valueAxis(
  domain: readonly [number, number],
  { axis, tick }: ValueOptions,
  room: number,
): object {
  return {
    domain,
    grid: true,
    // A tick's text takes about so much; an axis without two ticks cannot be read.
    ticks: Math.min(4, Math.max(2, Math.floor(room / 80))),
    label: axis,
    labelAnchor: 'center',
    labelArrow: 'none',
    ...(tick === undefined ? {} : { tickFormat: tick }),
  };
}

/** The line of a value that others are measured against, and its text above, `dy` from the chart's edge. */
export function markLine(plot: Charts['plot'], mark: NonNullable<ValueOptions['mark']>, dy: number): Mark[] {
  return [
    plot.ruleX([mark.at], { stroke: 'currentColor', strokeDasharray: '3,3' }),
    plot.text([mark], { x: 'at', text: 'text', frameAnchor: 'top', dy, fill: 'var(--muted)' }),
  ];
}

/** Horizontal bars from zero, each with its name before it and its value behind it. */
export function drawBars({ plot, draw }: Charts, bars: readonly Bar[], options: ValueOptions): string {
  const { width, mark } = options;
  const most = Math.max(...bars.map(({ value }) => value), mark?.at ?? 0);
  const names = bars.map(({ name }) => name);
  const layout = layOutNames(names, width);
  const { marginLeft, extraHeight } = layout;
  const named = nameAxis(plot, names, layout);
  const marginTop = mark === undefined ? 4 : 22;
  // A bar begins below the middle of its line where its name stands above.
  const text = { y: 'name', text: 'text', textAnchor: 'start', dx: 6, dy: extraHeight / 2 } as const;
  const right = marginRight(bars, most, width - marginLeft, mark !== undefined);
  return draw({
    width,
    height: bars.length * (ROW + extraHeight) + marginTop + BOTTOM,
    marginTop,
    marginBottom: BOTTOM,
    marginLeft,
    marginRight: right,
    style: CHART_STYLE,
    x: valueAxis([0, most], options, width - marginLeft - right),
    y: { ...named.y, padding: layout.above ? 0.06 : 0.22 },
    marks: [
      plot.barX(bars, { x: 'value', y: 'name', fill: 'color', rx2: 2, insetTop: extraHeight }),
      ...named.marks,
      ...(mark === undefined
        ? [plot.text(bars, { ...text, x: 'value' })]
        : marked(plot, mark, most, bars, text)),
    ],
  });
}

/** As little as leaves room for every text: behind its bar, or all behind the longest bar. */
function marginRight(bars: readonly Bar[], most: number, room: number, aligned: boolean): number {
  const margins = bars.map(({ value, text }) => {
    const needed = textWidth([text]) + 12;
    return aligned ? needed : room - ((room - needed) * most) / value;
  });
  return Math.max(12, ...margins);
}

/** The line of a mark; and the bars' texts beside the chart, where that line does not cross them. */
function marked(
  plot: Charts['plot'],
  mark: NonNullable<ValueOptions['mark']>,
  most: number,
  bars: readonly Bar[],
  text: object,
) {
  return [...markLine(plot, mark, -9), plot.text(bars, { ...text, x: most })];
}
