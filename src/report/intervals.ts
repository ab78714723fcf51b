import {
  CHART_STYLE,
  layOutNames,
  markLine,
  nameAxis,
  textWidth,
  type ValueOptions,
  valueAxis,
} from './bars.js';
import type { Charts } from './charts.js';

/** A value with its interval, on a line of its own. */
export interface IntervalRow {
  readonly name: string;
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly color: string;
  /** Behind the line. */
  readonly text: string;
}

/** Values with their intervals, one below the other. */
export function drawIntervals(
  { plot, draw }: Charts,
  rows: readonly IntervalRow[],
  options: ValueOptions,
): string {
  const { width, mark } = options;
  const names = rows.map(({ name }) => name);
  const layout = layOutNames(names, width);
  const named = nameAxis(plot, names, layout);
  const ends = rows.filter(({ low, high }) => low !== null && high !== null);
  const values = [...rows.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value])];
  if (mark !== undefined) values.push(mark.at);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = (most - least || Math.abs(most) || 1) * 0.04;
  const marginLeft = layout.marginLeft + 2;
  const marginRight = textWidth(rows.map(({ text }) => text)) + 20;
  return draw({
    width,
    height: rows.length * (24 + layout.extraHeight) + 64,
    marginTop: 22,
    marginBottom: 38,
    marginLeft,
    marginRight,
    style: CHART_STYLE,
    x: valueAxis([least - room, most + room], options, width - marginLeft - marginRight),
    y: named.y,
    marks: [
      ...(mark === undefined ? [] : markLine(plot, mark, -14)),
      ...named.marks,
      plot.ruleY(ends, { x1: 'low', x2: 'high', y: 'name', stroke: 'color', strokeWidth: 2.5 }),
      plot.dot(rows, {
        x: 'value',
        y: 'name',
        fill: 'color',
        r: 4.5,
        stroke: 'var(--surface)',
        strokeWidth: 1,
      }),
      plot.text(rows, { y: 'name', text: 'text', frameAnchor: 'right', textAnchor: 'start', dx: 8 }),
    ],
  });
}
