/** The page of the comparison in the order in which it is read, which is why it is one file. */
import { duration } from 'polycom/bench';
import type { Charts, Figure } from 'polycom/report';
import { drawIntervals, formatFigure, type IntervalRow } from 'polycom/report';
import type { ClaimGroup, Metric } from '../judge/claims.js';
import { band } from '../judge/curves.js';
import { differencesOf, REFERENCE, tokensSaved } from '../judge/findings.js';
import {
  curvesOf,
  downstreamOf,
  type Group,
  groupsOf,
  lossesOf,
  secondsOf,
  valuesOf,
} from '../judge/groups.js';
import { type HolmDifference, type Interval, meanInterval, type SeedValue } from '../judge/statistics.js';
import type { Published } from '../plan/published.js';
import type { CompareDocument, RunResult } from '../types.js';
import { drawLines, type Series } from './lines.js';
import { loss, plusMinus, probability, share, signed, withEnds } from './numbers.js';
import { colorOf } from './palette.js';
import { type Column, formatTable } from './table.js';

/** A group of runs and what is known of it against the reference. */
interface Row {
  readonly group: Group;
  readonly loss: Interval;
  /** None for the reference, or where there is none. */
  readonly difference?: HolmDifference;
  /** Of the tokens to the reference's final training loss. */
  readonly saving?: HolmDifference;
  /** How many seeds do not come to that loss. */
  readonly missed?: number;
  readonly published?: Published;
  /** What was published of the reference. */
  readonly reference?: Published;
}

/** How a comparison is shown. */
export interface ComparisonOptions {
  /** Which experiment, and the data's name in it. */
  readonly group: ClaimGroup & ('dense' | 'moe');
  readonly data: string;
  /** Behind the titles: the data's name for people. */
  readonly on: string;
  readonly published: Readonly<Record<string, Published>>;
  /** The entropy of the data in nats a token, where it is known. */
  readonly entropy?: number;
}

/** Activations against SwiGLU on some data: curves, differences, savings, and a table with every figure. */
export function formatComparison(
  document: CompareDocument,
  charts: Charts,
  options: ComparisonOptions,
): string {
  const groups = groupsOf(document, options.group).filter(({ data }) => data === options.data);
  const rows = rowsOf(document, groups, options);
  if (rows.length === 0) return '<p>All runs diverged.</p>';
  const figures = [curveFigure(rows, charts, options), differenceFigure(rows, charts, options)];
  return `${figures.map(formatFigure).join('\n')}
${formatTable(LOSSES, rows)}
<h4>Tokens to SwiGLU’s final training loss, and the time of a step</h4>
${formatTable(SPEED, rows)}
<h4>Beside the loss</h4>
${formatTable(QUALITY, rows)}
<p class="muted">Cloze and choice are made from the held-out tokens: the last word of a passage (of the synthetic language, the last token), and which of four ways a passage goes on, by
length-normalised log-likelihood; chance is 25 %.${oracleNote(rows)} Detectable is the smallest difference that a paired t test finds in four of five cases.</p>
${divergedNote(groups)}`;
}

function rowsOf(
  document: CompareDocument,
  groups: readonly Group[],
  { group: experiment, data, published }: ComparisonOptions,
): Row[] {
  const whole = groups.filter((group) => lossesOf(group).length > 0);
  const reference = whole.find(({ activation }) => activation === REFERENCE);
  const differences = differencesOf(document, data);
  return whole.map((group): Row => {
    const against = (metric: Metric): HolmDifference | undefined =>
      differences({ group: experiment, metric, candidate: group.activation, reference: REFERENCE });
    const [difference, saving] = [against('heldOutLoss'), against('tokensSaved')];
    const tokens = reference && saving ? tokensSaved(group, reference) : undefined;
    const known = published[group.activation];
    return {
      group,
      loss: meanInterval(lossesOf(group).map(({ value }) => value)),
      ...(known === undefined ? {} : { published: known, reference: published[REFERENCE]! }),
      ...(difference === undefined ? {} : { difference }),
      ...(saving && tokens ? { saving, missed: tokens.bySeed.length - tokens.reached } : {}),
    };
  });
}

function curveFigure(rows: readonly Row[], charts: Charts, { on, entropy }: ComparisonOptions): Figure {
  const panels = (['tokens', 'seconds'] as const).map((over) => {
    const series = rows.flatMap(({ group }): Series[] => {
      const curves = curvesOf(group);
      if (curves.length === 0) return [];
      const seconds = secondsOf(group);
      const points = band(curves).map((point) =>
        over === 'tokens' ? point : { ...point, x: seconds.get(point.x)! },
      );
      return [{ name: group.label, color: colorOf(group.activation), points }];
    });
    const marks = entropy === undefined ? [] : [{ at: entropy, text: 'entropy of the language' }];
    const axes = {
      x: over === 'tokens' ? 'tokens' : 'seconds of training',
      y: 'held-out loss, nats a token',
    };
    const domain = domainOf(series, entropy);
    return {
      title: over === 'tokens' ? 'by tokens' : 'by the wall clock',
      draw: (width: number) => drawLines(charts, series, { width, height: 340, ...axes, domain, marks }),
    };
  });
  return {
    title: `Loss curves on ${on}`,
    caption:
      'Mean over seeds; the band is its 95 % t interval at each point. The beginning, far above the rest, is cut off. ' +
      'Seconds are those of training steps, the mean over seeds, of a worker beside others.',
    legend: rows.map(({ group }) => ({ name: group.label, color: colorOf(group.activation) })),
    panels,
  };
}

/** From a little below the least value to where the curves are after a seventh of their way. */
function domainOf(series: readonly Series[], entropy: number | undefined): [number, number] {
  const high = Math.max(...series.map(({ points }) => points[Math.floor(points.length / 7)]!.y));
  const least = Math.min(...series.flatMap(({ points }) => points.map(({ y }) => y)));
  // An entropy that is far below would press the curves together.
  const low = entropy !== undefined && least - entropy < high - least ? Math.min(least, entropy) : least;
  return [low - (high - low) * 0.06, high];
}

function differenceFigure(rows: readonly Row[], charts: Charts, { on }: ComparisonOptions): Figure {
  const compared = rows.flatMap(({ difference, ...row }) => (difference ? [{ ...row, difference }] : []));
  const differences = compared.map(
    ({ group, difference }): IntervalRow => ({
      ...{ name: group.label, value: difference.mean, low: difference.low, high: difference.high },
      color: colorOf(group.activation),
      text: signed(difference.mean),
    }),
  );
  const savings = compared.flatMap(savingRows);
  const panels = [
    {
      title: 'final held-out loss minus that of SwiGLU: left of 0 is better',
      rows: differences,
      axis: 'nats a token',
      mark: { at: 0, text: 'SwiGLU' },
    },
    {
      title: "tokens saved on the way to SwiGLU's final training loss: right of 0 is better",
      rows: savings,
      axis: "share of SwiGLU's tokens",
      mark: { at: 0, text: 'SwiGLU' },
      tick: (value: number) => `${Math.round(100 * value)} %`,
    },
  ].filter((panel) => panel.rows.length > 0);
  return {
    title: `Against SwiGLU on ${on}`,
    caption:
      "Paired by seed. The intervals of a panel hold together, for 95 % by Holm's procedure. A seed that does not come to that loss counts as 0, which is more than it saves. " +
      'Grey: what the paper published, of one run of its size each.',
    legend: [],
    panels: panels.map(({ title, rows: drawn, ...how }) => ({
      title,
      draw: (width: number) => drawIntervals(charts, drawn, { width, ...how }),
    })),
  };
}

function savingRows({ group, saving, published }: Row): IntervalRow[] {
  const rows: IntervalRow[] = [];
  if (saving !== undefined) {
    const { mean, low, high } = saving;
    const color = colorOf(group.activation);
    rows.push({ name: group.label, value: mean, low, high, color, text: share(mean) });
  }
  if (published?.saving !== undefined) {
    const text = share(published.saving);
    const name = `${group.label}, published`;
    rows.push({ name, value: published.saving, low: null, high: null, color: 'var(--muted)', text });
  }
  return rows;
}

const interval = (values: readonly SeedValue[]): Interval | undefined =>
  values.length === 0 ? undefined : meanInterval(values.map(({ value }) => value));

/** A column of a figure's mean over seeds. */
function meanColumn(
  title: string,
  of: (result: RunResult) => number | undefined,
  format: (value: number) => string,
): Column<Row> {
  return {
    title,
    align: 'right',
    cell: ({ group }) => {
      const found = interval(valuesOf(group, of));
      return found === undefined ? '' : plusMinus(found, format);
    },
  };
}

const NAME: Column<Row> = {
  title: 'activation',
  cell: ({ group: { label, activation } }) => ({ text: label, strong: activation.startsWith('poly') }),
};

const LOSSES: readonly Column<Row>[] = [
  NAME,
  {
    title: 'parameters',
    align: 'right',
    cell: ({ group }) => group.runs[0]!.result.parameters.total.toLocaleString('en-US'),
  },
  { title: 'seeds', align: 'right', cell: ({ loss: { n } }) => String(n) },
  { title: 'held-out loss', align: 'right', cell: ({ loss: mean }) => plusMinus(mean) },
  {
    title: 'published (train)',
    align: 'right',
    cell: ({ published }) => published?.trainLoss.toFixed(3) ?? '',
  },
  {
    title: 'minus SwiGLU',
    align: 'right',
    cell: ({ difference }) => (difference ? withEnds(difference) : ''),
  },
  {
    title: 'published',
    align: 'right',
    cell: ({ published, reference, difference }) =>
      published && reference && difference ? signed(published.trainLoss - reference.trainLoss, 3) : '',
  },
  { title: 'p (Holm)', align: 'right', cell: ({ difference }) => probability(difference?.holm ?? null) },
  {
    title: 'detectable',
    align: 'right',
    cell: ({ difference }) => (difference?.detectable == null ? '' : loss(difference.detectable)),
  },
];

const SPEED: readonly Column<Row>[] = [
  NAME,
  {
    title: 'tokens saved',
    align: 'right',
    cell: ({ group, saving, missed = 0 }) => {
      if (saving === undefined) return '';
      const of = missed === 0 ? '' : `, not reached by ${missed} of ${group.runs.length}`;
      return `${withEnds(saving, share)}${of}`;
    },
  },
  { title: 'p (Holm)', align: 'right', cell: ({ saving }) => probability(saving?.holm ?? null) },
  {
    title: 'published',
    align: 'right',
    cell: ({ published }) => (published?.saving ? share(published.saving) : ''),
  },
  {
    title: 'step',
    align: 'right',
    cell: ({ group }) => {
      const found = interval(valuesOf(group, ({ step_ms_p50 }) => step_ms_p50));
      return found === undefined ? '' : duration(found.mean);
    },
  },
];

const QUALITY: readonly Column<Row>[] = [
  NAME,
  meanColumn(
    'perplexity',
    ({ final }) => final?.perplexity,
    (value) => value.toFixed(3),
  ),
  meanColumn('next-token top-1', ({ final }) => final?.top1, share),
  meanColumn('cloze', (result) => downstreamOf(result)?.cloze.accuracy.value, share),
  meanColumn(
    'nats a word',
    (result) => downstreamOf(result)?.cloze.loss,
    (value) => value.toFixed(3),
  ),
  meanColumn('choice of 4', (result) => downstreamOf(result)?.choice.normalised.value, share),
  {
    title: 'mean of 6 tasks, published',
    align: 'right',
    cell: ({ published }) => (published?.average === undefined ? '' : `${published.average.toFixed(2)} %`),
  },
];

/** What of the tasks can be right at all, where that is known. */
function oracleNote(rows: readonly Row[]): string {
  const found = rows.flatMap(({ group }) => group.runs.map(({ result }) => downstreamOf(result)))[0];
  if (found?.cloze.oracle === undefined || found.choice.oracle === undefined) return '';
  return ` The language itself gets ${share(found.cloze.oracle)} of the cloze and ${share(found.choice.oracle)} of the choices.`;
}

function divergedNote(groups: readonly Group[]): string {
  const bad = groups.filter(({ diverged }) => diverged > 0);
  if (bad.length === 0) return '';
  const list = bad.map(({ label, diverged, runs }) => `${label} ${diverged} of ${diverged + runs.length}`);
  return `<p class="wrong">Runs that diverged, and are in no mean: ${list.join(', ')}.</p>`;
}
