import type { Charts, Figure } from 'polycom/report';
import { drawIntervals, escapeHtml, formatFigure, type IntervalRow } from 'polycom/report';
import { band, type SeedCurve } from '../judge/curves.js';
import { dynamicsOf, type Group } from '../judge/groups.js';
import { meanInterval } from '../judge/statistics.js';
import type { LayerDynamics } from '../measure/dynamics.js';
import { drawHeat } from './heat.js';
import { drawLines, type Series } from './lines.js';
import { share } from './numbers.js';
import { colorOf, seriesColor } from './palette.js';
import { type Column, formatTable } from './table.js';

/** What is learned inside the models of the dense comparison, on the data named `on`. */
export function formatDynamics(groups: readonly Group[], charts: Charts, on: string): string {
  const seen = groups.filter(({ runs }) => runs.some(({ result }) => dynamicsOf(result) !== undefined));
  const figures = [
    coefficientFigure(groups, charts),
    rankFigure(seen, charts),
    similarityFigure(seen, charts),
  ];
  const shown = figures.filter((figure) => figure !== undefined);
  return `${shown.map((figure) => formatFigure({ ...figure, title: `${figure.title}, on ${on}` })).join('\n')}
${statisticsTable(seen, on)}`;
}

const POWERS = ['bias', 'x', 'x²', 'x³', 'x⁴'];

/** The coefficients of every layer over training. */
function coefficientFigure(groups: readonly Group[], charts: Charts): Figure | undefined {
  const panels = groups.flatMap((group) => coefficientPanels(group, charts));
  if (panels.length === 0) return undefined;
  return {
    title: 'Learned coefficients over training',
    caption:
      'Mean over seeds with its 95 % t interval. PolyNorm’s are of normalised powers, PolyReLU’s of powers of ReLU(x).',
    legend: POWERS.slice(0, 4).map((name, power) => ({ name, color: seriesColor(power) })),
    panels,
  };
}

function coefficientPanels({ label, runs }: Group, charts: Charts): Figure['panels'] {
  const names = Object.keys(runs[0]?.result.coefficients ?? {});
  const layers = [...new Set(names.map(layerOf))];
  return layers.map((layer) => {
    const series = names
      .filter((name) => layerOf(name) === layer)
      .flatMap((name) => {
        const count = runs[0]!.result.coefficients[name]![0]!.length;
        return Array.from({ length: count }, (_, i): Series => {
          const power = name.endsWith('.weight') ? count - i : 0;
          const curves = runs.map(({ spec, result }): SeedCurve => {
            const points = result.heldOut.tokens.map((x, at) => ({
              x,
              y: result.coefficients[name]![at]![i]!,
            }));
            return { seed: spec.settings.seed, points };
          });
          return { name: POWERS[power]!, color: seriesColor(power), points: band(curves) };
        });
      });
    const axes = { x: 'tokens', y: 'coefficient', domain: domainOf(series) };
    return {
      title: `${label}, layer ${layer}`,
      draw: (width: number) => drawLines(charts, series, { width, height: 260, ...axes }),
    };
  });
}

/** The lines, and as much again of the bands: those of few seeds would press the lines together. */
function domainOf(series: readonly Series[]): [number, number] {
  const values = series.flatMap(({ points }) => points.map(({ y }) => y));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low || 1) / 2;
  return [low - room, high + room];
}

function layerOf(name: string): number {
  return Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? 0);
}

/** The layers of each seed's dynamics. */
function layersOf({ runs }: Group): (readonly LayerDynamics[])[] {
  return runs.flatMap(({ result }) => {
    const found = dynamicsOf(result);
    return found === undefined ? [] : [found.layers];
  });
}

/** So many layers stand on lines of their own; more are an axis. */
const FEW_LAYERS = 3;

function rankFigure(groups: readonly Group[], charts: Charts): Figure | undefined {
  const matrices = ['up_proj', 'gate_proj', 'down_proj'];
  const few = groups.every((group) => (layersOf(group)[0]?.length ?? 0) <= FEW_LAYERS);
  const panels = matrices.flatMap((matrix) => {
    const series = groups.flatMap((group): Series[] => {
      const seeds = layersOf(group).filter((layers) => layers[0]!.effectiveRank[matrix] !== undefined);
      if (seeds.length === 0) return [];
      const points = seeds[0]!.map((_, layer) => {
        const { mean, low, high } = meanInterval(
          seeds.map((layers) => layers[layer]!.effectiveRank[matrix]!.value),
        );
        return { x: layer, y: mean, low, high };
      });
      return [{ name: group.label, color: colorOf(group.activation), points }];
    });
    if (series.length === 0) return [];
    if (few)
      return [
        {
          title: matrix,
          draw: (width: number) => drawIntervals(charts, rankRows(series), { width, axis: 'effective rank' }),
        },
      ];
    const dotted = series.flatMap((line): Series[] => [line, { ...line, drawn: 'points' }]);
    const axes = { x: 'layer', y: 'effective rank', wholeX: true };
    return [
      { title: matrix, draw: (width: number) => drawLines(charts, dotted, { width, height: 260, ...axes }) },
    ];
  });
  if (panels.length === 0) return undefined;
  const most = layersOf(groups[0]!)[0]![0]!.effectiveRank.up_proj!.most;
  return {
    title: 'Effective rank of the feed-forward matrices',
    caption:
      `exp of the entropy of the normalised singular values (Roy and Vetterli 2007); at most ${most} here. Mean over seeds with its 95 % t interval. ` +
      'Published, as a figure: PolyCom raises it.',
    size: few ? 'half' : 'narrow',
    legend: groups.map(({ label, activation }) => ({ name: label, color: colorOf(activation) })),
    panels,
  };
}

function rankRows(series: readonly Series[]): IntervalRow[] {
  return series.flatMap(({ name, color, points }) =>
    points.map(
      ({ x, y, low, high }): IntervalRow => ({
        ...{ name: points.length === 1 ? name : `${name}, layer ${x}`, value: y },
        ...{ low: low ?? null, high: high ?? null, color, text: y.toFixed(1) },
      }),
    ),
  );
}

function similarityFigure(groups: readonly Group[], charts: Charts): Figure | undefined {
  const panels = groups.flatMap((group) => {
    const maps = group.runs.flatMap(({ result }) => {
      const found = dynamicsOf(result);
      return found === undefined ? [] : [found.similarity];
    });
    if (maps.length === 0) return [];
    const mean = maps[0]!.map((row, i) => row.map((_, j) => meanOf(maps.map((map) => map[i]![j]!))));
    const names = mean.map((_, i) => (i === 0 ? 'emb' : String(i - 1)));
    return [
      {
        title: `${group.label}: ${meanApart(mean).toFixed(3)}`,
        draw: (width: number) => drawHeat(charts, mean, names, width),
      },
    ];
  });
  if (panels.length === 0) return undefined;
  return {
    title: 'Similarity between layers',
    caption:
      'Cosine between the residual streams behind two layers, mean over tokens and seeds; emb is the embedding. Behind a name: the mean of all ' +
      'pairs of different ones. Published, as a figure: PolyCom lowers it.',
    size: 'narrow',
    legend: [],
    panels,
  };
}

/** The mean of what is off the diagonal. */
function meanApart(map: readonly (readonly number[])[]): number {
  return meanOf(map.flatMap((row, i) => row.filter((_, j) => j !== i)));
}

interface StatisticsRow {
  readonly label: string;
  readonly layer: number;
  readonly seeds: readonly LayerDynamics[];
}

function statisticsTable(groups: readonly Group[], on: string): string {
  const rows = groups.flatMap((group): StatisticsRow[] => {
    const seeds = layersOf(group);
    if (seeds.length === 0) return [];
    return seeds[0]!.map((_, layer) => ({
      label: group.label,
      layer,
      seeds: seeds.map((layers) => layers[layer]!),
    }));
  });
  if (rows.length === 0) return '';
  const of = (
    title: string,
    value: (layer: LayerDynamics) => number,
    format: (value: number) => string,
  ): Column<StatisticsRow> => ({
    title,
    align: 'right',
    cell: ({ seeds }) => format(meanOf(seeds.map(value))),
  });
  const two = (value: number): string => value.toFixed(2);
  return `<h4>What activations take and give, on ${escapeHtml(on)}</h4>
<p class="muted">Of held-out tokens after training, means over seeds. Of gated ones the argument is the gate, and what it gives is the product. A dead unit is 0 for
every token.</p>
${formatTable<StatisticsRow>(
  [
    { title: 'activation', cell: ({ label }) => label },
    { title: 'layer', align: 'right', cell: ({ layer }) => String(layer) },
    of('argument: rms', ({ argument }) => argument.rms, two),
    of('kurtosis', ({ argument }) => argument.kurtosis, two),
    of('max |x|', ({ argument }) => argument.most, two),
    of('output: mean', ({ hidden }) => hidden.mean, two),
    of('rms', ({ hidden }) => hidden.rms, two),
    of('kurtosis', ({ hidden }) => hidden.kurtosis, two),
    of('max |y|', ({ hidden }) => hidden.most, two),
    of('zeros', ({ hidden }) => hidden.zeros, share),
    of('dead units', ({ hidden }) => hidden.dead, share),
  ],
  rows,
)}`;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
