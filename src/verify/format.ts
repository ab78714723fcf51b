import { alignColumns } from '../bench/format.js';
import type { VerifyDocument } from './index.js';
import type { CheckKind, CheckResult } from './types.js';

const TITLES = ['', 'dtype', 'backend', 'device', 'forward', 'backward', 'bits again', 'NaN, ∞, 0'];

/** What was verified, as a table for a terminal. Its last line is `N checks passed, N failed`. */
export function formatVerify(document: VerifyDocument): string {
  const { results, hosts, passed, failed, skipped } = document;
  const groups = groupBy(results, ({ backend, device, op, dtype }) => [backend, device, op, dtype].join());
  const rows = [...groups.values()].filter((group) => group.some(({ outcome }) => outcome !== 'skipped'));
  const table = alignColumns(
    [TITLES, ...rows.map(cells)],
    TITLES.map((_, i) => (i < 4 ? 'left' : 'right')),
  );
  const absent = hosts.filter((host) => host.absent !== undefined);
  const lines = [
    ...(rows.length === 0 ? [] : [...table, '', 'errors in units of the norm of the summed terms', '']),
    ...absent.map(
      ({ backend, absent: why }) => `not verified: ${backend}: ${why!.reason}\n  remedy: ${why!.remedy}`,
    ),
    ...reasons(results.filter(({ outcome }) => outcome === 'skipped')),
    ...results.filter(({ outcome }) => outcome === 'failed').map(failure),
    `${passed} checks passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`,
  ];
  return `${lines.join('\n')}\n`;
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
  const failed = results.filter(({ outcome }) => outcome === 'failed').length;
  if (failed > 0) return `${failed} failed`;
  const passed = results.filter(({ outcome }) => outcome === 'passed');
  if (passed.length === 0) return '–';
  const errors = passed.flatMap(({ error }) => error ?? []);
  return errors.length === 0 ? `${passed.length} ok` : Math.max(...errors).toExponential(1);
}

function failure({ op, backend, device, dtype, sample, message }: CheckResult): string {
  return `FAILED: ${op} ${dtype}, ${backend} on ${device}, ${sample}: ${message}`;
}

/** Every reason to skip once, with the samples that it is the reason for. */
function reasons(skipped: readonly CheckResult[]): string[] {
  const groups = groupBy(skipped, ({ op, backend, dtype, message }) => [op, backend, dtype, message].join());
  return [...groups.values()].map((group) => {
    const { op, backend, dtype, message } = group[0]!;
    return `skipped: ${op} ${dtype}, ${backend}, ${group.map(({ sample }) => sample).join('; ')}: ${message}`;
  });
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
