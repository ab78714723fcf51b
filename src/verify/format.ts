import { alignColumns } from '../bench/format.js';
import type { VerifyDocument } from './index.js';
import type { CheckKind, CheckResult } from './types.js';

const TITLES = ['', 'dtype', 'backend', 'device', 'forward', 'backward', 'bits again', 'NaN, ∞, 0'];

/** What was verified, as a table for a terminal. Its last line is `N checks passed, N failed`. */
export function formatVerify(document: VerifyDocument): string {
  const { results, hosts, passed, failed } = document;
  const groups = groupBy(results, ({ backend, device, op, dtype }) => [backend, device, op, dtype].join());
  const table = alignColumns(
    [TITLES, ...[...groups.values()].map(cells)],
    TITLES.map((_, i) => (i < 4 ? 'left' : 'right')),
  );
  const lines = [
    ...(results.length === 0
      ? []
      : [...table, '', "errors in units of the norm of an element's summed terms", '']),
    ...hosts.flatMap(absence),
    ...results.filter(({ ok }) => !ok).map(failure),
    `${passed} checks passed, ${failed} failed`,
  ];
  return `${lines.join('\n')}\n`;
}

function absence({ backend, device, absent }: VerifyDocument['hosts'][number]): string[] {
  if (absent === undefined) return [];
  return [`not verified: ${backend} on ${device}: ${absent.reason}\n  remedy: ${absent.remedy}`];
}

function cells(group: readonly CheckResult[]): string[] {
  const { op, dtype, backend, device } = group[0]!;
  const kinds: readonly CheckKind[] = ['forward', 'backward', 'repeat', 'special'];
  return [
    op,
    dtype,
    backend,
    device,
    ...kinds.map((kind) => cell(group.filter((result) => result.kind === kind))),
  ];
}

function cell(results: readonly CheckResult[]): string {
  const failed = results.filter(({ ok }) => !ok).length;
  if (failed > 0) return `${failed} failed`;
  if (results.length === 0) return '–';
  const errors = results.flatMap(({ error }) => error ?? []);
  return errors.length === 0 ? `${results.length} ok` : Math.max(...errors).toExponential(1);
}

function failure({ op, backend, device, sample, message }: CheckResult): string {
  return `FAILED: ${op}, ${backend} on ${device}, ${sample}: ${message}`;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
