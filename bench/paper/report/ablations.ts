import { activationNames, formulaOf, labelOf } from 'polycom/model';
import type { Charts } from 'polycom/report';
import { drawIntervals, escapeHtml, formatFigure } from 'polycom/report';
import { type Group, lossesOf } from '../judge/groups.js';
import { type Interval, meanInterval, type SeedValue } from '../judge/statistics.js';
import type { OverflowRow } from '../types.js';
import { drawLines, type Series } from './lines.js';
import { loss } from './numbers.js';
import { colorOf, seriesColor } from './palette.js';

/** What was varied, a panel each: final losses with their intervals. */
export function formatAblations(groups: readonly Group[], charts: Charts): string {
  const names = [...new Set(groups.map(({ group }) => group ?? ''))];
  const panels = names.flatMap((name) => {
    const members = groups.filter(({ group }) => (group ?? '') === name);
    const intervals = withinSeeds(members.map(lossesOf));
    const rows = members.flatMap((group, place) => {
      const found = intervals[place];
      if (found === undefined) return [];
      const { mean, low, high } = found;
      const lost = group.diverged === 0 ? '' : `, ${group.diverged} diverged`;
      const color = colorOf(group.activation, place);
      return [{ name: group.label, value: mean, low, high, color, text: `${loss(mean)}${lost}` }];
    });
    if (rows.length === 0) return [];
    const axis = 'final held-out loss, nats a token';
    return [{ title: name, draw: (width: number) => drawIntervals(charts, rows, { width, axis }) }];
  });
  const on = groups[0]?.data ?? '';
  const seeds = Math.max(0, ...groups.map(({ runs }) => runs.length));
  const figure = formatFigure({
    title: 'What is varied',
    caption: `On ${on}; ${seeds} seeds each. Intervals are 95 % t intervals within seeds (Cousineau 2005, corrected as Morey 2008 has it): what a seed does to all ways of a panel alike is taken out. The learning rate is that of the activation that a way is derived from.`,
    legend: [],
    panels,
  });
  const gone = groups.filter(({ runs }) => runs.length === 0).map(({ group, label }) => `${group}: ${label}`);
  return `${figure}
${gone.length === 0 ? '' : `<p class="wrong">All runs diverged of: ${escapeHtml(gone.join('; '))}.</p>`}
${formatForms(groups)}`;
}

/**
 * The interval of each way's mean loss, with each seed's mean over all ways in place of the grand mean taken out, and
 * widened by sqrt(m / (m - 1)) for m ways (Morey 2008). Of the loss itself where ways do not have the same seeds.
 */
export function withinSeeds(ways: readonly (readonly SeedValue[])[]): (Interval | undefined)[] {
  const known = ways.filter((losses) => losses.length > 0);
  const seeds = known[0]?.map(({ seed }) => seed) ?? [];
  const alike = known.every((losses) => losses.map(({ seed }) => seed).join() === seeds.join());
  const plain = (losses: readonly SeedValue[]): Interval => meanInterval(losses.map(({ value }) => value));
  if (!alike || known.length < 2)
    return ways.map((losses) => (losses.length === 0 ? undefined : plain(losses)));
  const ofSeed = seeds.map((_, i) => known.reduce((sum, losses) => sum + losses[i]!.value, 0) / known.length);
  const grand = ofSeed.reduce((sum, value) => sum + value, 0) / seeds.length;
  const widening = Math.sqrt(known.length / (known.length - 1));
  return ways.map((losses) => {
    if (losses.length === 0) return undefined;
    const { mean, high, n } = meanInterval(losses.map(({ value }, i) => value - ofSeed[i]! + grand));
    if (high === null) return { mean, low: null, high: null, n };
    const half = (high - mean) * widening;
    return { mean, low: mean - half, high: mean + half, n };
  });
}

/** What the forms compute: the paper's own of PolyPReLU and PolyReLUNorm are not known. */
function formatForms(groups: readonly Group[]): string {
  const list = activationNames.flatMap((name) => {
    const formula = groups.some(({ activation }) => activation === name) ? formulaOf(name) : undefined;
    if (formula === undefined) return [];
    return [`<dt>${escapeHtml(labelOf(name))}</dt><dd><code>${escapeHtml(formula)}</code></dd>`];
  });
  if (list.length === 0) return '';
  return `<p>The exact forms of the paper's PolyPReLU and PolyReLUNorm were not to be found; these are readings of its definitions, with
n(u) = u / rms(u) over a row. Published of the compositions and of the ReLU family are figures alone, without numbers; of the orders, that 3 and 4 do
about the same.</p>
<dl>${list.join('')}</dl>`;
}

/** Low precision: the share of outputs that overflow, by the size of the input. */
export function formatOverflow(rows: readonly OverflowRow[], charts: Charts): string {
  if (rows.length === 0) return '';
  const activations = [...new Set(rows.map(({ activation }) => activation))];
  const shown = rows.filter(({ dtype }) => dtype === 'f16');
  const orders = [...new Set(shown.map(({ order }) => order))];
  const panels = activations.map((activation) => ({
    title: `${labelOf(activation)}, f16`,
    draw: (width: number) =>
      drawLines(
        charts,
        (['eager', 'fused'] as const).flatMap((method) =>
          orders.map((order): Series => {
            const of = shown.filter(
              (row) => row.activation === activation && row.method === method && row.order === order,
            );
            const points = of.map(({ sigma, nonFinite, count }) => ({ x: sigma, y: nonFinite / count }));
            const drawn = method === 'fused' ? 'dashed' : 'line';
            return { name: `order ${order}, ${method}`, color: seriesColor(order - 1), points, drawn };
          }),
        ),
        {
          width,
          height: 260,
          x: 'standard deviation of the input',
          y: 'share of outputs that are not finite',
          logX: true,
          domain: [-0.02, 1.02],
        },
      ),
  }));
  const lost = (method: OverflowRow['method'], dtype: OverflowRow['dtype']): number =>
    rows.filter((row) => row.method === method && row.dtype === dtype && row.nonFinite > 0).length;
  const figure = formatFigure({
    title: 'Low precision',
    caption:
      'Outputs that overflow where every operation is rounded to f16, as frameworks run it (lines), and in this package’s kernels, whose arithmetic is ' +
      'f32 (dashed): there an output overflows alone where it is itself too large.',
    legend: orders.map((order) => ({ name: `order ${order}`, color: seriesColor(order - 1) })),
    panels,
  });
  return `${figure}
<p>Settings with an output that is not finite, of those measured: f16 ${lost('eager', 'f16')} eager, ${lost('fused', 'f16')} fused; bf16 ${lost('eager', 'bf16')} eager, ${lost('fused', 'bf16')}
fused. Published: that orders of 4 and above risk overflow in low precision.</p>`;
}
