import { CHART_STYLE, layOutNames, nameAxis, textWidth } from './bars.js';
import type { Charts } from './charts.js';

/** A dot of a chart. */
export interface Dot {
  /** Of the line that it lies on. */
  readonly name: string;
  readonly ms: number;
  /** A CSS colour. */
  readonly color: string;
}

/** Times on a logarithmic axis, those of one name on one line; and a text behind each line that has one. */
export function drawDots(
  { plot, draw }: Charts,
  dots: readonly Dot[],
  width: number,
  texts: readonly { readonly name: string; readonly text: string }[] = [],
): string {
  const names = [...new Set(dots.map(({ name }) => name))];
  const layout = layOutNames(names, width);
  const named = nameAxis(plot, names, layout);
  return draw({
    width,
    height: names.length * (26 + layout.extraHeight) + 56,
    marginTop: 10,
    marginBottom: 36,
    marginLeft: layout.marginLeft,
    marginRight: 24 + textWidth(texts.map(({ text }) => text)),
    style: CHART_STYLE,
    x: {
      type: 'log',
      grid: true,
      label: 'ms, logarithmic',
      labelAnchor: 'center',
      labelArrow: 'none',
      nice: true,
      ticks: 5,
      tickFormat: String,
    },
    y: named.y,
    marks: [
      ...named.marks,
      plot.ruleY(
        dots,
        plot.groupY(
          { x1: 'min', x2: 'max' },
          { x: 'ms', y: 'name', stroke: 'currentColor', strokeOpacity: 0.3, strokeWidth: 2 },
        ),
      ),
      plot.dot(dots, { x: 'ms', y: 'name', fill: 'color', r: 5, stroke: 'var(--surface)', strokeWidth: 1 }),
      plot.text(texts, { y: 'name', text: 'text', frameAnchor: 'right', textAnchor: 'start', dx: 10 }),
    ],
  });
}
