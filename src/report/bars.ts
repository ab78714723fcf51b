import type { Charts } from './charts.js';

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
const BOTTOM = 40;

/** The width that a text takes, about, as there is no browser to ask. */
export function textWidth(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length)) * LETTER;
}

/** The linear axis of values in a domain. */
export function valueAxis(domain: readonly [number, number], { axis, tick }: ValueOptions): object {
  return {
    domain,
    grid: true,
    ticks: 4,
    label: axis,
    labelAnchor: 'center',
    labelArrow: 'none',
    ...(tick === undefined ? {} : { tickFormat: tick }),
  };
}

/** The line of a value that others are measured against, and its text above, `dy` from the chart's edge. */
export function markLine(
  plot: Charts['plot'],
  mark: NonNullable<ValueOptions['mark']>,
  dy: number,
): ReturnType<Charts['plot']['ruleX' | 'text']>[] {
  return [
    plot.ruleX([mark.at], { stroke: 'currentColor', strokeDasharray: '3,3' }),
    plot.text([mark], { x: 'at', text: 'text', frameAnchor: 'top', dy, fill: 'var(--muted)' }),
  ];
}

/** Horizontal bars from zero, each with its name before it and its value behind it. */
export function drawBars({ plot, draw }: Charts, bars: readonly Bar[], options: ValueOptions): string {
  const { width, mark } = options;
  const most = Math.max(...bars.map(({ value }) => value), mark?.at ?? 0);
  const text = { y: 'name', text: 'text', textAnchor: 'start', dx: 6 } as const;
  const marginTop = mark === undefined ? 4 : 22;
  const marginLeft = textWidth(bars.map(({ name }) => name)) + 12;
  return draw({
    width,
    height: bars.length * ROW + marginTop + BOTTOM,
    marginTop,
    marginBottom: BOTTOM,
    marginLeft,
    marginRight: marginRight(bars, most, width - marginLeft, mark !== undefined),
    style: CHART_STYLE,
    x: valueAxis([0, most], options),
    y: { domain: bars.map(({ name }) => name), label: null, tickSize: 0, padding: 0.22 },
    marks: [
      plot.barX(bars, { x: 'value', y: 'name', fill: 'color', rx2: 2 }),
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
