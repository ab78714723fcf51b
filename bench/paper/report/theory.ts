import { labelOf } from 'polycom/model';
import type { Charts } from 'polycom/report';
import { drawIntervals, formatFigure } from 'polycom/report';
import type { SizeComparison, SobolevRate, TheoryResult, TrainedRow } from '../theory/index.js';
import { drawLines, type Series } from './lines.js';
import { withEnds } from './numbers.js';
import { colorOf } from './palette.js';
import { formatTable } from './table.js';

const LEGEND = [
  { name: 'PolyReLU', color: colorOf('polyrelu') },
  { name: 'ReLU', color: colorOf('relu') },
];

/** The theory in numbers: exact networks, sizes for an error, rates on Sobolev balls, and what training gets. */
export function formatTheory(theory: TheoryResult, charts: Charts): string {
  return [
    formatExact(theory),
    formatSizes(theory.sizes, charts),
    formatSobolev(theory.sobolev, charts),
    formatTrained(theory.trained, charts),
  ].join('\n');
}

function formatExact({ exact }: TheoryResult): string {
  return `<h3>ReLU, ReLU² and polynomials as exact PolyReLU networks</h3>
<p class="muted">Lemma 1 and Theorem 1: a network of the same size, its weights written down and not trained, in f64. Exact is an error of rounding, about 1e-16
of the sum of the absolute terms.</p>
${formatTable(
  [
    { title: 'function', cell: ({ name }) => name },
    { title: 'kind', cell: ({ kind }) => kind },
    { title: 'units', align: 'right', cell: ({ units }) => String(units) },
    { title: 'parameters', align: 'right', cell: ({ parameters }) => parameters.toLocaleString('en-US') },
    { title: 'depth', align: 'right', cell: ({ depth }) => String(depth) },
    { title: 'points', align: 'right', cell: ({ points }) => points.toLocaleString('en-US') },
    { title: 'largest error', align: 'right', cell: ({ error }) => short(error) },
    { title: 'relative', align: 'right', cell: ({ relative }) => short(relative) },
  ],
  exact,
)}`;
}

function formatSizes(sizes: readonly SizeComparison[], charts: Charts): string {
  const panels = sizes.map(({ name, polyrelu, relu }) => {
    const made = relu.map(({ units, error }) => ({ x: error, y: units }));
    const series: Series[] = [
      { name: 'ReLU', color: colorOf('relu'), points: made },
      { name: 'ReLU', color: colorOf('relu'), points: made, drawn: 'points' },
      {
        name: 'no ReLU network is smaller',
        color: 'var(--muted)',
        points: relu.map(({ unitsAtLeast, error }) => ({ x: error, y: unitsAtLeast })),
        drawn: 'dashed',
      },
      {
        name: 'PolyReLU',
        color: colorOf('polyrelu'),
        points: relu.map(({ error }) => ({ x: error, y: polyrelu.units })),
      },
    ];
    const axes = { x: 'largest error on [−1, 1]', y: 'units', logX: true };
    return {
      title: name,
      draw: (width: number) => drawLines(charts, series, { width, height: 280, ...axes }),
    };
  });
  const figure = formatFigure({
    title: 'Size for an error: products',
    caption:
      'ReLU networks by the sawtooth construction (Yarotsky 2017), whose error of x² is exactly 2^(−2m−2) after m teeth; PolyReLU is exact with a size that does ' +
      'not grow. Dashed: the least that any ReLU network needs, by its number of linear pieces.',
    size: 'narrow',
    legend: [...LEGEND, { name: 'least of any ReLU network', color: 'var(--muted)' }],
    panels,
  });
  return `${figure}
${formatTable(
  [
    { title: 'function', cell: ({ name }) => name },
    { title: 'PolyReLU units', align: 'right', cell: ({ polyrelu }) => String(polyrelu.units) },
    { title: 'its error', align: 'right', cell: ({ polyrelu }) => short(polyrelu.error) },
    {
      title: 'ReLU units at the smallest error',
      align: 'right',
      cell: ({ relu }) => String(relu.at(-1)!.units),
    },
    { title: 'that error', align: 'right', cell: ({ relu }) => short(relu.at(-1)!.error) },
    { title: 'by formula', align: 'right', cell: ({ relu }) => short(relu.at(-1)!.predicted) },
    {
      title: 'ReLU units by log2(1/ε)',
      align: 'right',
      cell: ({ unitsPerBit }) => withEnds(unitsPerBit, two),
    },
  ],
  sizes,
)}`;
}

function formatSobolev(rates: readonly SobolevRate[], charts: Charts): string {
  const panels = rates.map((rate) => {
    const [poly, relu] = [rate.polyrelu, rate.relu].map((points) =>
      points.map(({ parameters, error }) => ({ x: parameters, y: error })),
    );
    const first = poly![0]!;
    const predicted = poly!.map(({ x }) => ({ x, y: first.y * (x / first.x) ** rate.predictedSlope }));
    const series: Series[] = [
      { name: 'predicted', color: 'var(--muted)', points: predicted, drawn: 'dashed' },
      ...[poly!, relu!].flatMap((points, i): Series[] => {
        const [name, color] = [LEGEND[i]!.name, LEGEND[i]!.color];
        return [
          { name, color, points },
          { name, color, points, drawn: 'points' },
        ];
      }),
    ];
    const axes = { x: 'parameters', y: 'largest error', logX: true, logY: true };
    return {
      title: `n = ${rate.n}, d = ${rate.d}`,
      draw: (width: number) => drawLines(charts, series, { width, height: 280, ...axes }),
    };
  });
  const figure = formatFigure({
    title: 'Error against parameters on Sobolev balls',
    caption:
      'The constructive network (a partition of unity times local polynomials) on targets of the unit ball of W^(n,∞) in d dimensions: the worst error of any target on a ' +
      'fine grid. Training error would hide the rate. Dashed: the predicted slope −n/d, through the first point. ReLU’s products cost a factor log(1/ε) more.',
    size: 'narrow',
    legend: [...LEGEND, { name: 'predicted', color: 'var(--muted)' }],
    panels,
  });
  return `${figure}
${formatTable(
  [
    { title: 'smoothness n', align: 'right', cell: ({ n }) => String(n) },
    { title: 'dimensions d', align: 'right', cell: ({ d }) => String(d) },
    { title: 'predicted −n/d', align: 'right', cell: ({ predictedSlope }) => two(predictedSlope) },
    {
      title: 'PolyReLU, measured',
      align: 'right',
      cell: ({ polyreluSlope }) => withEnds(polyreluSlope, two),
    },
    { title: 'ReLU, measured', align: 'right', cell: ({ reluSlope }) => withEnds(reluSlope, two) },
    {
      title: 'parameters of the largest: PolyReLU',
      align: 'right',
      cell: ({ polyrelu }) => polyrelu.at(-1)!.parameters.toLocaleString('en-US'),
    },
    {
      title: 'ReLU',
      align: 'right',
      cell: ({ relu }) => relu.at(-1)!.parameters.toLocaleString('en-US'),
    },
  ],
  rates,
)}`;
}

function formatTrained(rows: readonly TrainedRow[], charts: Charts): string {
  if (rows.length === 0) return '';
  const targets = [...new Set(rows.map(({ target }) => target))];
  const panels = targets.map((target) => ({
    title: target,
    draw: (width: number) =>
      drawIntervals(
        charts,
        rows
          .filter((row) => row.target === target)
          .map((row, place) => {
            const { mean, low, high } = row.logError;
            const name = severalHidden(rows)
              ? `${labelOf(row.activation)}, ${row.hidden} units`
              : labelOf(row.activation);
            const color = colorOf(row.activation, place);
            return {
              name,
              value: mean,
              low,
              high,
              color,
              text: `${two(mean)}${row.rateAtBorder ? ' *' : ''}`,
            };
          }),
        { width, axis: 'log10 of the largest error' },
      ),
  }));
  return formatFigure({
    title: 'What training gets',
    caption:
      'Small networks trained on the same kinds of targets with Adam, the whole batch at a time, at the best of the rates that were tried (* where that lies at an end of them): means over ' +
      'seeds with 95 % t intervals. What a user gets, and no rate of approximation.',
    legend: [],
    panels,
  });
}

function severalHidden(rows: readonly TrainedRow[]): boolean {
  return (
    new Set(rows.map(({ hidden, activation }) => `${activation} ${hidden}`)).size >
    new Set(rows.map(({ activation }) => activation)).size
  );
}

function two(value: number): string {
  return `${value < 0 ? '−' : ''}${Math.abs(value).toFixed(2)}`;
}

function short(value: number): string {
  return value === 0 ? '0' : value.toExponential(1);
}
