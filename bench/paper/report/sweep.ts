import type { Charts } from 'polycom/report';
import { formatFigure } from 'polycom/report';
import { dataOf, type Group, lossesOf } from '../judge/groups.js';
import { meanInterval } from '../judge/statistics.js';
import type { Rate } from '../types.js';
import { drawLines, type Series } from './lines.js';
import { colorOf } from './palette.js';
import { formatTable } from './table.js';

/** The learning rates that were swept for each activation, and the ones that were chosen. */
export function formatSweep(groups: readonly Group[], rates: readonly Rate[], charts: Charts): string {
  const labels = [...new Set(groups.map(({ label }) => label))];
  const panels = dataOf(groups).map((data) => {
    const series = labels.flatMap((label): Series[] => {
      const members = groups.filter((group) => group.data === data && group.label === label);
      const points = members.flatMap((group) => {
        const losses = lossesOf(group).map(({ value }) => value);
        return losses.length === 0 ? [] : [{ x: group.rate!, y: meanInterval(losses).mean }];
      });
      points.sort((a, b) => a.x - b.x);
      const color = colorOf(members[0]?.activation ?? label);
      return points.length === 0
        ? []
        : [
            { name: label, color, points },
            { name: label, color, points, drawn: 'points' },
          ];
    });
    const axes = { x: 'learning rate', y: 'final held-out loss, nats a token', logX: true };
    return {
      title: data,
      draw: (width: number) => drawLines(charts, series, { width, height: 300, ...axes }),
    };
  });
  const figure = formatFigure({
    title: 'What was swept',
    caption:
      'Swept for each activation, so that none is handicapped, with a seed that no other run has; the best one goes to the other experiments.',
    legend: labels.map((label) => {
      const { activation } = groups.find((group) => group.label === label)!;
      return { name: label, color: colorOf(activation) };
    }),
    panels,
  });
  const swept = rates.filter(({ from }) => from === 'swept');
  const names = new Map(groups.map(({ activation, label }) => [activation, label]));
  return `${figure}
${formatTable<Rate>(
  [
    { title: 'data', cell: ({ data }) => data },
    { title: 'activation', cell: ({ activation }) => names.get(activation) ?? activation },
    { title: 'learning rate', align: 'right', cell: ({ rate }) => rate.toPrecision(2) },
    { title: '', cell: ({ border }) => (border ? 'at the border of what was swept' : '') },
  ],
  swept,
)}`;
}
