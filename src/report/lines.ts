import { percent } from '../bench/format.js';
import { CHART_STYLE } from './bars.js';
import type { Charts } from './charts.js';

/** A share at a width of the matrix, on the line of a name. */
export interface LinePoint {
  readonly cols: number;
  readonly share: number;
  readonly line: string;
  readonly color: string;
}

/** Draws shares by width, a line each; the roof is at 100 %, and a target is dashed. */
export function drawLines(
  { plot, draw }: Charts,
  points: readonly LinePoint[],
  { width, target }: { readonly width: number; readonly target?: { at: number; color: string } },
): string {
  const sorted = [...points].sort((a, b) => a.cols - b.cols);
  const marks = sorted.map((point) => ({ ...point, cols: String(point.cols) }));
  return draw({
    width,
    height: 260,
    marginTop: 16,
    marginBottom: 56,
    marginLeft: 52,
    marginRight: 12,
    style: CHART_STYLE,
    x: {
      type: 'point',
      domain: [...new Set(marks.map(({ cols }) => cols))],
      label: 'columns',
      labelAnchor: 'center',
      tickRotate: -45,
    },
    y: {
      domain: [0, Math.max(1, ...marks.map(({ share }) => share))],
      grid: true,
      ticks: 5,
      tickFormat: percent,
      label: null,
    },
    marks: [
      plot.ruleY([1], { stroke: 'currentColor' }),
      ...(target === undefined
        ? []
        : [plot.ruleY([target.at], { stroke: target.color, strokeDasharray: '4,3', strokeOpacity: 0.7 })]),
      plot.line(marks, { x: 'cols', y: 'share', z: 'line', stroke: 'color', strokeWidth: 1.5 }),
      plot.dot(marks, { x: 'cols', y: 'share', fill: 'color', r: 3.5, stroke: 'var(--surface)' }),
    ],
  });
}
