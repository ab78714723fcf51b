import type { Device } from '../native/types.js';
import { type HostReport, verifyHost } from '../verify/run.js';
import type { CheckResult } from '../verify/types.js';
import type { Facts, Finding } from './types.js';

/** Runs every op once, wherever ops can run, each host in a process of its own. */
export async function smoke(
  { native, tensorflow }: Pick<Facts, 'native' | 'tensorflow'>,
  timeout: number,
): Promise<HostReport[]> {
  const effort = 'smoke';
  const reports: HostReport[] = [];
  const devices =
    native.state === 'loaded' ? (['cpu', 'cuda'] as const).filter(usableIn(native.devices)) : [];
  for (const device of devices)
    reports.push(await verifyHost({ backend: 'native', device, effort }, { timeout }));
  if (tensorflow.state === 'loaded' && tensorflow.fused) {
    reports.push(await verifyHost({ backend: 'tensorflow', effort }, { timeout }));
  }
  return reports;
}

function usableIn(devices: Readonly<Record<Device, number>>): (device: Device) => boolean {
  return (device) => devices[device] > 0;
}

/** A line for each host, and one for each failure. */
export function smokeFindings(reports: readonly HostReport[]): Finding[] {
  if (reports.length === 0) {
    return [{ mark: 'absent', label: 'fused ops', value: 'none to run: ops run as compositions of tf ops' }];
  }
  return reports.flatMap(({ backend, device, results, absent }): Finding[] => {
    const label = `${backend}, ${device}`;
    if (absent !== undefined) return [{ mark: 'broken', label, value: absent.reason, remedy: absent.remedy }];
    const failures = results.filter(({ ok }) => !ok);
    if (failures.length > 0) return failures.map((result) => failure(label, result));
    const ops = new Set(results.map(({ op }) => op)).size;
    const worst = Math.max(...results.map(({ error }) => error ?? 0));
    return [{ mark: 'ok', label, value: `${ops} ops, right within ${worst.toExponential(1)}` }];
  });
}

function failure(label: string, { op, sample, message }: CheckResult): Finding {
  const remedy =
    'build the library again (npx polycom build); if it stays, report this with npx polycom verify';
  return { mark: 'broken', label, value: `${op}, ${sample}: ${message}`, remedy };
}
