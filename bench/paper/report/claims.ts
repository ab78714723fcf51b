import { escapeHtml } from 'polycom/report';
import type { CostResult } from '../cost/index.js';
import { CLAIMS, type Published, SOURCES, type Source } from '../judge/claims.js';
import { findingsOf } from '../judge/findings.js';
import { type Judgement, judgeAll, type Verdict } from '../judge/judge.js';
import { judgeCost, judgeTheory } from '../judge/judge-theory.js';
import type { TheoryResult } from '../theory/index.js';
import type { CompareDocument } from '../types.js';
import { loss, signed, withEnds } from './numbers.js';
import { type Column, formatTable, type Mark } from './table.js';

/** Judgements that belong together. */
export interface JudgedSet {
  /** What they were tested on. */
  readonly on: string;
  readonly judgements: readonly Judgement[];
}

/** Every claim judged: on each data that the dense models were trained on, and by theory and cost. */
export function judgedSets(
  document: CompareDocument,
  nameOf: (data: string) => string,
  theory?: TheoryResult,
  cost?: CostResult,
): JudgedSet[] {
  const sets = document.data.flatMap(({ name }, place): JudgedSet[] => {
    const findings = findingsOf(document, name);
    const judgements = judgeAll(findings);
    // What cannot be tested on any data is said once.
    const shown = place === 0 ? judgements : judgements.filter(({ finding }) => finding !== null);
    return shown.length === 0 ? [] : [{ on: nameOf(name), judgements: shown }];
  });
  if (theory !== undefined) sets.push({ on: 'theory', judgements: judgeTheory(theory) });
  if (cost !== undefined) sets.push({ on: 'cost', judgements: judgeCost(cost) });
  return sets;
}

/** The claims with their verdicts. */
export function formatClaims(sets: readonly JudgedSet[]): string {
  const tables = sets.map(
    ({ on, judgements }) => `<h3>Claims: ${escapeHtml(on)}</h3>
${formatTable<Judgement>(COLUMNS, judgements)}`,
  );
  const used = new Set(CLAIMS.flatMap(({ published: { source } }) => source));
  const sources = (Object.keys(SOURCES) as Source[]).filter((source) => used.has(source));
  const list = sources.map((source) => `<dt>${source}</dt><dd>${escapeHtml(SOURCES[source])}</dd>`);
  return `<h2>What was claimed, and what came out</h2>
<p class="muted">Reproduced: the difference has the claimed sign, and its interval leaves 0 out. Intervals are of 95 % together, by Holm’s correction over all comparisons of one experiment
and metric, the same ones as in the sections below. Not reproduced is also what is not resolved. Losses of training are smoothed to their end; a seed that does not come to SwiGLU’s final loss has saved no tokens. Models and data here are smaller by orders of
magnitude than the paper’s: a verdict is of this size.</p>
${tables.join('\n')}
<p class="muted">The paper’s full text was not at hand; where its numbers are from:</p>
<dl>${list.join('')}</dl>`;
}

/** How many claims came out how, in a set. */
export function countVerdicts(judgements: readonly Judgement[]): Record<Verdict, number> {
  const count = (verdict: Verdict): number => judgements.filter((one) => one.verdict === verdict).length;
  return {
    reproduced: count('reproduced'),
    'not reproduced': count('not reproduced'),
    'not testable here': count('not testable here'),
  };
}

function publishedOf(id: string): Published | undefined {
  return CLAIMS.find((claim) => claim.id === id)?.published;
}

function publishedText(id: string): string {
  const published = publishedOf(id);
  if (published === undefined) return '';
  const { value, source } = published;
  return `${value === null ? 'the direction' : signed(value, 3)} [${source.join(' ')}]`;
}

/** A sign and a colour for each verdict, so that they differ in more than their text. */
const MARKS: Readonly<Record<Verdict, { readonly sign: string; readonly mark: Mark }>> = {
  reproduced: { sign: '✔', mark: 'good' },
  'not reproduced': { sign: '✖', mark: 'bad' },
  'not testable here': { sign: '–', mark: 'open' },
};

const COLUMNS: readonly Column<Judgement>[] = [
  { title: 'claim', wrap: true, cell: ({ text }) => text },
  {
    title: 'verdict',
    cell: ({ verdict }) => ({ text: `${MARKS[verdict].sign} ${verdict}`, ...MARKS[verdict] }),
  },
  { title: 'published', align: 'right', cell: ({ id }) => publishedText(id) },
  { title: 'found', align: 'right', cell: ({ finding }) => (finding === null ? '' : withEnds(finding)) },
  { title: 'seeds', align: 'right', cell: ({ finding }) => (finding === null ? '' : String(finding.n)) },
  {
    title: 'detectable',
    align: 'right',
    cell: ({ finding }) => (finding?.detectable == null ? '' : loss(finding.detectable)),
  },
  {
    title: 'why',
    wrap: true,
    cell: ({ id, reason }) => {
      const note = publishedOf(id)?.note;
      return note === undefined ? reason : `${reason}; published: ${note}`;
    },
  },
];
