import type { Charts } from 'polycom/report';
import { escapeHtml, formatList, formatNotes, formatPage, formatTiles, settingList } from 'polycom/report';
import type { CostResult } from '../cost/index.js';
import { dataOf, groupsOf } from '../judge/groups.js';
import { PUBLISHED_DENSE, PUBLISHED_MIXTURE } from '../plan/published.js';
import type { TheoryResult } from '../theory/index.js';
import type { CompareDocument } from '../types.js';
import { formatAblations, formatOverflow } from './ablations.js';
import { formatClaims, judgedSets } from './claims.js';
import { type ComparisonOptions, formatComparison } from './comparison.js';
import { formatCost } from './cost.js';
import { dataName, describeData } from './data.js';
import { formatDynamics } from './dynamics.js';
import { formatSets } from './mixture.js';
import { time } from './numbers.js';
import { PALETTE } from './palette.js';
import { formatScaling } from './scaling.js';
import { formatSweep } from './sweep.js';
import { formatTheory } from './theory.js';
import { tilesOf } from './tiles.js';

/** What the report is made from: what was measured, and whatever else was. */
export interface PaperReport {
  readonly document: CompareDocument;
  readonly theory?: TheoryResult;
  readonly cost?: CostResult;
}

/** A page that shows the paper's experiments as they came out here, beside what was published. It needs nothing but itself. */
export function paperReport({ document, theory, cost }: PaperReport, charts: Charts): string {
  const nameOfData = (name: string): string => {
    const found = document.data.find((data) => data.name === name);
    return found === undefined ? name : dataName(found);
  };
  const judged = judgedSets(document, nameOfData, theory, cost);
  const sections = [
    formatClaims(judged),
    ...sectionsOf(document, charts),
    ...(theory === undefined ? [] : [part('Theory', formatTheory(theory, charts))]),
    ...(cost === undefined ? [] : [part('Cost', formatCost(cost, charts))]),
    formatSetting(document),
  ];
  return formatPage({
    title: "PolyCom: the paper's experiments, reproduced",
    style: PALETTE,
    head: [formatHead(document), formatTiles(tilesOf(document, judged))].join('\n'),
    content: sections.join('\n'),
  });
}

function formatHead(document: CompareDocument): string {
  const { machine, date, commit, scale, runs, seconds } = document;
  const parts = [
    `scale ${scale}: ${runs.length} runs, ${time(seconds)} of training and evaluation`,
    `${machine.cpu}, ${machine.cpus} CPUs`,
    `${date.slice(0, 16).replace('T', ' ')} UTC`,
    ...(commit === undefined ? [] : [`commit ${commit}`]),
  ];
  return `<h1>PolyCom: the paper's experiments, reproduced at a size that fits</h1>
<p class="muted">${escapeHtml(parts.join(' · '))}</p>
<p>Polynomial Composition Activations (arXiv 2411.03884) says that at equal parameters and tokens PolyNorm and PolyReLU train to a lower loss than
SwiGLU, GELU and ReLU. Here that is tried again with models of another size, on other data, with several seeds; whatever came out stands here. Made with <code>${escapeHtml(document.command)}</code>.</p>`;
}

function sectionsOf(document: CompareDocument, charts: Charts): string[] {
  const [dense, mixture] = [groupsOf(document, 'dense'), groupsOf(document, 'moe')];
  const ablations = groupsOf(document, 'ablation');
  const scaling = groupsOf(document, 'scaling');
  const sweep = groupsOf(document, 'sweep');
  const on = (data: string) => {
    const found = document.data.find(({ name }) => name === data);
    return {
      on: found === undefined ? data : dataName(found),
      ...(found?.entropy === undefined ? {} : { entropy: found.entropy }),
    };
  };
  const per = (groups: typeof dense, format: (data: string) => string): string =>
    dataOf(groups).map(format).join('\n');
  const compared = (group: 'dense' | 'moe', published: ComparisonOptions['published']) => (data: string) =>
    formatComparison(document, charts, { group, data, ...on(data), published });
  return [
    ...section('Dense models', dense, () => per(dense, compared('dense', PUBLISHED_DENSE))),
    ...section('Mixture of experts', mixture, () => {
      return `${per(mixture, compared('moe', PUBLISHED_MIXTURE))}\n${formatSets(mixture)}`;
    }),
    ...section('Ablations', ablations, () => formatAblations(ablations, charts)),
    formatOverflow(document.overflow, charts),
    ...section('Dynamics', dense, () =>
      per(dense, (data) =>
        formatDynamics(
          dense.filter((group) => group.data === data),
          charts,
          on(data).on,
        ),
      ),
    ),
    ...section('Scaling', scaling, () => formatScaling(scaling, charts)),
    ...section('Learning rates', sweep, () => formatSweep(sweep, document.rates, charts)),
  ];
}

/** A part of the report, where its experiment was made. */
function section(title: string, groups: readonly unknown[], format: () => string): string[] {
  return groups.length === 0 ? [] : [part(title, format())];
}

function part(title: string, content: string): string {
  return `<hr>\n<h2>${escapeHtml(title)}</h2>\n${content}`;
}

function formatSetting(document: CompareDocument): string {
  const { notes, command, seconds, workers, data } = document;
  const [date, commit, ...rest] = settingList(document);
  return part(
    'Where and how',
    `<p>Made with <code>${escapeHtml(command)}</code>. The same command makes the same losses, bit for bit, on a CPU of this kind; finished runs are not repeated.</p>
${formatList([
  date!,
  commit!,
  ['duration', `${time(seconds)}, all ${workers} workers together`],
  ...rest,
  ...data.map((one) => ['data', describeData(one)] as const),
])}
${formatNotes(notes)}`,
  );
}
