import type { Charts } from 'polycom/report';
import { CHART_STYLE } from 'polycom/report';

/** A square map of values from -1 to 1, the first row on top; as strongly coloured as a value is near 1. */
export function drawHeat(
  { plot, draw }: Charts,
  values: readonly (readonly number[])[],
  names: readonly string[],
  width: number,
): string {
  const cells = values.flatMap((row, i) =>
    row.map((value, j) => ({
      from: names[i]!,
      to: names[j]!,
      value,
      text: value.toFixed(2),
      shade: 0.04 + 0.66 * Math.max(0, value),
    })),
  );
  const place = { x: 'to', y: 'from' } as const;
  const side = width - 52;
  return draw({
    width,
    height: side * 0.72 + 34,
    marginTop: 26,
    marginBottom: 8,
    marginLeft: 44,
    marginRight: 8,
    style: CHART_STYLE,
    x: { axis: 'top', domain: [...names], label: null, tickSize: 0, padding: 0.02 },
    y: { domain: [...names], label: null, tickSize: 0, padding: 0.02 },
    marks: [
      plot.cell(cells, { ...place, fill: 'var(--s0)', fillOpacity: 'shade', rx: 2 }),
      ...(names.length > 9 ? [] : [plot.text(cells, { ...place, text: 'text' })]),
    ],
  });
}
