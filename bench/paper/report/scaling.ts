import type { Charts } from 'polycom/report';
import { formatFigure } from 'polycom/report';
import { type Group, lossesOf } from '../judge/groups.js';
import { type Estimate, fitScaling, type Scaling } from '../judge/scaling-law.js';
import { drawLines, type Series } from './lines.js';
import { loss, withEnds } from './numbers.js';
import { colorOf } from './palette.js';
import { formatTable } from './table.js';

interface Row {
  readonly label: string;
  readonly activation: string;
  readonly scaling: Scaling;
}

function bounded(estimate: Estimate): string {
  const { mean, low, high } = estimate;
  return low === null && high === null ? `${loss(mean)} […, …]` : withEnds(estimate, loss);
}

/** Loss over the model's size, with both laws fitted. */
export function formatScaling(groups: readonly Group[], charts: Charts): string {
  const labels = [...new Set(groups.map(({ label }) => label))];
  const rows = labels.flatMap((label): Row[] => {
    const sizes = groups.filter((group) => group.label === label && lossesOf(group).length > 0);
    const points = sizes.flatMap((group) =>
      lossesOf(group).map(({ seed, value }) => ({
        parameters: group.runs[0]!.result.parameters.active,
        seed,
        loss: value,
      })),
    );
    if (sizes.length < 4 || points.length < 5) return [];
    return [{ label, activation: sizes[0]!.activation, scaling: fitScaling(points) }];
  });
  if (rows.length === 0)
    return '<h3>Scaling</h3>\n<p>There are fewer than four sizes whose runs came to an end.</p>';
  const panels = (['offsetLaw', 'powerLaw'] as const).map((law) => ({
    title: law === 'offsetLaw' ? 'L = E + A N^−α' : 'L = A N^−α',
    draw: (width: number) =>
      drawLines(
        charts,
        rows.flatMap(({ label, activation, scaling }): Series[] => {
          const color = colorOf(activation);
          return [
            { name: label, color, points: scaling[law].curve },
            { name: label, color, points: scaling.sizes, drawn: 'points' },
          ];
        }),
        { width, height: 320, x: 'parameters', y: 'final held-out loss, nats a token', logX: true },
      ),
  }));
  const figure = formatFigure({
    title: 'Loss over the size',
    caption:
      `On ${groups[0]!.data}, at the same tokens for every size: points are means over seeds with 95 % t intervals, curves least squares with the pointwise ` +
      '95 % interval of the mean loss. Published, as curves from 110 million to 1.3 billion parameters: PolyNorm lies below at every size.',
    legend: rows.map(({ label, activation }) => ({ name: label, color: colorOf(activation) })),
    panels,
  });
  return `${figure}
${formatTable<Row>(
  [
    { title: 'activation', cell: ({ label }) => label },
    { title: 'E', align: 'right', cell: ({ scaling }) => bounded(scaling.offsetLaw.offset) },
    { title: 'α', align: 'right', cell: ({ scaling }) => bounded(scaling.offsetLaw.exponent) },
    { title: 'deviation', align: 'right', cell: ({ scaling }) => loss(scaling.offsetLaw.deviation) },
    {
      title: 'α without E',
      align: 'right',
      cell: ({ scaling }) => bounded(scaling.powerLaw.exponent),
    },
    { title: 'deviation of log L', align: 'right', cell: ({ scaling }) => loss(scaling.powerLaw.deviation) },
  ],
  rows,
)}
<p class="muted">Intervals of 95 % by the profile of the squares; … is an end that the runs do not bound.</p>`;
}
