import { packageVersion } from '../common/package.js';
import type { Device } from '../native/types.js';
import { type HostReport, verifyHost } from './run.js';
import type { Absent, Backend, CheckResult, VerifyJob } from './types.js';

/** What {@link verify} may be told. */
export interface VerifyOptions {
  /** Only this backend; both by default. */
  readonly backend?: Backend | undefined;
  /** Only this device; by default the CPU, and a GPU where there is one. */
  readonly device?: Device | undefined;
  /** Milliseconds that loading, or one check, may take before it counts as hanging: two minutes by default. */
  readonly timeout?: number | undefined;
  /** Called with the backend, and what is looked at on it. */
  readonly onStep?: ((backend: Backend, title: string) => void) | undefined;
}

/** What `polycom verify --json` prints. */
export interface VerifyDocument {
  readonly schema: 1;
  readonly version: string;
  /** Whether something was checked, and nothing was wrong. */
  readonly ok: boolean;
  readonly passed: number;
  readonly failed: number;
  readonly hosts: readonly (Omit<HostReport, 'results'> & { readonly absent?: Absent })[];
  readonly results: readonly CheckResult[];
}

const TIMEOUT_MS = 120_000;

/** Checks every op on this machine, wherever it can run. Never throws for what is missing or broken here. */
export async function verify(options: VerifyOptions = {}): Promise<VerifyDocument> {
  const { backend: wanted, device, timeout = TIMEOUT_MS, onStep } = options;
  const reports: HostReport[] = [];
  for (const job of jobsOf(wanted, device)) {
    const { backend } = job;
    reports.push(await verifyHost(job, { timeout, onStep: (title) => onStep?.(backend, title) }));
  }
  const results = reports.flatMap((report) => report.results);
  const passed = results.filter((result) => result.ok).length;
  const failed = results.length - passed;
  const hosts = reports.map(({ results: _, ...host }) => host);
  const ok = passed > 0 && failed === 0;
  return { schema: 1, version: packageVersion, ok, passed, failed, hosts, results };
}

/** The hosts to look for. TensorFlow itself chooses its device. */
function jobsOf(backend: Backend | undefined, device: Device | undefined): VerifyJob[] {
  const devices: readonly Device[] = device === undefined ? ['cpu', 'cuda'] : [device];
  const effort = 'full';
  return [
    ...(backend === 'tensorflow'
      ? []
      : devices.map((each) => ({ backend: 'native', device: each, effort }) as const)),
    ...(backend === 'native' ? [] : [{ backend: 'tensorflow', device, effort } as const]),
  ];
}
