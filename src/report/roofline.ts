import { isPeer, isYardstick, opName, passName, peerName } from '../bench/document.js';
import { duration, percent, times } from '../bench/format.js';
import { shapeName } from '../bench/shapes.js';
import type { BenchDocument, ContenderVariant, PeerVariant, Row } from '../bench/types.js';
import type { Charts } from './charts.js';
import type { Figure } from './figure.js';
import { drawLines } from './lines.js';
import { escapeHtml } from './parts.js';
import { isTimed, peerGroups, type TimedRow } from './select.js';

type CopyRow = TimedRow & { readonly of_copy: number };

const OWN_COLOR = 'var(--fused)';
const PEER_COLORS = ['composed', 'stock', 'third', 'fourth', 'fifth', 'sixth'].map(
  (name) => `var(--${name})`,
);

/**
 * A document's rows that stand under a roofline: on a GPU, beside other libraries, of an op that was measured at several
 * widths.
 */
export function rooflineRows({ results }: BenchDocument): CopyRow[] {
  if (!results.some(({ variant }) => isPeer(variant))) return [];
  const rows = results.filter(
    (row): row is CopyRow =>
      isTimed(row) && row.device !== 'cpu' && !isYardstick(row.variant) && row.of_copy !== undefined,
  );
  const widths = (op: string) => new Set(rows.filter((row) => row.op === op).map(({ cols }) => cols)).size;
  return rows.filter(({ op }) => widths(op) > 1);
}

/** A figure an op: how near a copy every contender comes, by width; a panel a pass and dtype. */
export function rooflineFigures(document: BenchDocument, charts: Charts): Figure[] {
  const rows = rooflineRows(document);
  const variants = peersOf(rows);
  return unique(rows.map(({ op }) => op)).map((op) => {
    const members = rows.filter((row) => row.op === op);
    const present = variants.filter((variant) => members.some((row) => row.variant === variant));
    return {
      title: `Roofline: ${opName(members[0]!)}`,
      caption:
        'Bytes that a pass cannot avoid moving, over its time on the device, as a share of what a copy of the same ' +
        'matrix reached in the same turns: the line at 100 %. Dashed: the target of this package.',
      legend: [
        { name: 'fused: this package', color: OWN_COLOR },
        ...present.map((variant) => ({ name: peerName(variant), color: colorOf(variant, variants) })),
      ],
      panels: unique(members.map(panelOf)).map((title) => ({
        title,
        draw: (width) =>
          drawPanel(
            members.filter((row) => panelOf(row) === title),
            variants,
            charts,
            width,
          ),
      })),
    };
  });
}

function panelOf({ pass, dtype }: Row): string {
  return `${passName(pass)}, ${dtype}`;
}

function drawPanel(
  rows: readonly CopyRow[],
  variants: readonly PeerVariant[],
  charts: Charts,
  width: number,
): string {
  const points = rows.map((row) => ({
    cols: row.cols,
    share: row.of_copy,
    line: row.variant,
    color: colorOf(row.variant, variants),
  }));
  const target = rows.find((row) => row.target !== undefined)?.target;
  const how = target === undefined ? { width } : { width, target: { at: target, color: OWN_COLOR } };
  return drawLines(charts, points, how);
}

/** A fused row that is under its target, or slower than another library's way, which was right. */
export interface Miss {
  readonly own: TimedRow;
  /** The share of a copy that it was to reach, if it did not. */
  readonly target?: number;
  /** The fastest that was faster. */
  readonly faster?: TimedRow;
}

/** What a document's fused rows miss. */
export function missesOf(document: BenchDocument): Miss[] {
  const groups = peerGroups(document);
  return document.results
    .filter(isTimed)
    .filter(({ variant }) => variant === 'fused')
    .flatMap((own) => {
      const under = own.target !== undefined && own.of_copy !== undefined && own.of_copy < own.target;
      const group = groups.find((one) => one.own === own);
      const slower = group !== undefined && group.speed < 1;
      if (!under && !slower) return [];
      const faster = slower ? fastestOf(group.peers) : undefined;
      return [
        { own, ...(under ? { target: own.target! } : {}), ...(faster === undefined ? {} : { faster }) },
      ];
    });
}

/** The misses as a table, or nothing where a document has no roofline. */
export function formatMisses(document: BenchDocument): string {
  if (rooflineRows(document).length === 0) return '';
  const misses = missesOf(document);
  const title = '<h3>Under the target, or slower than a peer</h3>';
  if (misses.length === 0) return `${title}\n<p class="muted">None.</p>`;
  const body = misses.map(({ own, target, faster }) => {
    const cells = [
      `${opName(own)}, ${passName(own.pass)}`,
      `${shapeName(own)} ${own.dtype}`,
      duration(own.ms_p50),
      own.of_copy === undefined ? '' : percent(own.of_copy),
      target === undefined ? '' : percent(target),
      faster === undefined ? '' : peerName(faster.variant as PeerVariant),
      faster === undefined ? '' : times(faster.ms_p50 / own.ms_p50),
    ];
    return `<tr class="fused">${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`;
  });
  const titles = ['', 'shape', 'median', 'of copy', 'target', 'faster', "ours at its time's"];
  return `${title}
<div class="scroll" tabindex="0"><table><thead><tr>${titles.map((name) => `<th>${escapeHtml(name)}</th>`).join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody></table></div>`;
}

function fastestOf(rows: readonly TimedRow[]): TimedRow {
  return rows.reduce((best, row) => (row.ms_p50 < best.ms_p50 ? row : best));
}

function peersOf(rows: readonly Row[]): PeerVariant[] {
  return unique(rows.map(({ variant }) => variant)).filter(isPeer);
}

function colorOf(variant: ContenderVariant, variants: readonly PeerVariant[]): string {
  if (!isPeer(variant)) return OWN_COLOR;
  return PEER_COLORS[variants.indexOf(variant) % PEER_COLORS.length]!;
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
