import { excerpt, nameOf } from '../common/excerpt.js';
import { contenderName, groupRows, groupTitle, passName, rowKey } from './document.js';
import { alignColumns, duration, percent } from './format.js';
import type { BenchDocument, Row } from './types.js';

/** A measurement that two documents have, and how it changed. */
export interface Change {
  readonly a: Row;
  readonly b: Row;
  /** b's median time over a's: above 1 is slower. Absent where either failed. */
  readonly ratio?: number;
  /** The wider of the two spreads, p80 - p20 over the median: what a ratio may be off by. */
  readonly noise?: number;
  /** Beyond the spread: the two spans from p20 to p80 do not meet. Or one of them failed. */
  readonly verdict: 'same' | 'faster' | 'slower' | 'fails' | 'failed before';
}

/** What {@link compareDocuments} found. */
export interface Comparison {
  readonly changes: readonly Change[];
  /** Of rows that only one of them has. */
  readonly unmatched: number;
  /** Why the figures may not be comparable. */
  readonly warnings: readonly string[];
}

/** Compares the measurements that two documents have in common. */
export function compareDocuments(a: BenchDocument, b: BenchDocument): Comparison {
  const before = new Map(a.results.map((row) => [rowKey(row), row]));
  const changes = b.results.flatMap((row) => {
    const match = before.get(rowKey(row));
    return match === undefined ? [] : [changeOf(match, row)];
  });
  return {
    changes,
    unmatched: a.results.length + b.results.length - 2 * changes.length,
    warnings: [
      ...(changes.some(({ b: { device } }) => device === 'emulated')
        ? ['emulated rows: their times say nothing of a GPU']
        : []),
      ...differences('machine', a.machine, b.machine),
      ...differences('versions', a.versions, b.versions),
    ],
  };
}

function changeOf(a: Row, b: Row): Change {
  if (!b.ok) return { a, b, verdict: a.ok ? 'fails' : 'same' };
  if (!a.ok) return { a, b, verdict: 'failed before' };
  const verdict = b.ms_p20! > a.ms_p80! ? 'slower' : b.ms_p80! < a.ms_p20! ? 'faster' : 'same';
  const [ratio, noise] = [b.ms_p50! / a.ms_p50!, Math.max(spreadOf(a), spreadOf(b))];
  return { a, b, ratio, noise, verdict };
}

function spreadOf({ ms_p20, ms_p50, ms_p80 }: Row): number {
  return (ms_p80! - ms_p20!) / ms_p50!;
}

/**
 * What got worse: what fails now, and what is slower beyond the spread by more than `most`, a share such as 0.05; the
 * slowest first.
 */
export function worseThan({ changes }: Comparison, most: number): readonly Change[] {
  return changes
    .filter(({ ratio, verdict }) => verdict === 'fails' || (verdict === 'slower' && ratio! > 1 + most))
    .sort((a, b) => (b.ratio ?? Infinity) - (a.ratio ?? Infinity));
}

/** What got worse, a line each, with the name, the pass and the size. */
export function formatWorse(worse: readonly Change[], most: number): string {
  return worse
    .map(({ b, ratio, noise }) => {
      const how = ratio === undefined ? 'fails' : `${percent(ratio - 1)} slower, noise ${percent(noise!)}`;
      const name = [contenderName(b), passName(b.pass)].filter((part) => part !== '').join(' ');
      return `over ${percent(most)}: ${name}, ${groupTitle(b)}: ${how}\n`;
    })
    .join('');
}

function differences(name: 'machine' | 'versions', a: object, b: object): string[] {
  const [before, after] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  return keys
    .filter((key) => before.get(key) !== after.get(key) && !(name === 'versions' && key === 'polycom'))
    .map((key) => `${name} differ: ${nameOf(key)} is ${shown(before.get(key))} and ${shown(after.get(key))}`);
}

function shown(value: unknown): string {
  if (value === undefined) return 'absent';
  return typeof value === 'string' ? nameOf(value) : excerpt(value);
}

/** The comparison as a table for a terminal. */
export function formatComparison({ changes, unmatched, warnings }: Comparison): string {
  const cells = changes.map(({ a, b, ratio, noise, verdict }) => [
    contenderName(b),
    passName(b.pass),
    a.ms_p50 === undefined ? 'failed' : duration(a.ms_p50),
    b.ms_p50 === undefined ? 'failed' : duration(b.ms_p50),
    ratio === undefined ? '' : `${ratio.toFixed(2)}×`,
    noise === undefined ? '' : percent(noise),
    verdict === 'same' ? '' : verdict,
  ]);
  const titles = ['', 'pass', 'a', 'b', 'b/a', 'noise', ''];
  const [heading, ...lines] = alignColumns(
    [titles, ...cells],
    ['left', 'left', 'right', 'right', 'right', 'right', 'left'],
  );
  const rows = changes.map(({ b }) => b);
  const body = groupRows(rows).flatMap((group) => [
    group.title,
    heading!,
    ...group.rows.map((row) => lines[rows.indexOf(row)]!),
    '',
  ]);
  const changed = changes.filter(({ verdict }) => verdict !== 'same').length;
  return [
    ...warnings.map((warning) => `warning: ${warning}`),
    ...(warnings.length === 0 ? [] : ['']),
    ...body,
    `${changes.length} compared, ${changed} changed beyond the p20–p80 spread` +
      (unmatched === 0 ? '' : `, ${unmatched} in one file alone`),
    '',
  ].join('\n');
}
