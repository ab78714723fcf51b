import type { Device } from '../native/types.js';
import { packageVersion } from '../package.js';
import { type HostReport, verifyHost } from './run.js';
import type { Absent, Backend, CheckResult, VerifyJob } from './types.js';

/** What {@link verify} may be told. */
export interface VerifyOptions {
  /** Only this backend; both by default. */
  readonly backend?: Backend | undefined;
  /** Only this device; by default the CPU, and the GPU that TensorFlow uses, if it does. */
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
  readonly skipped: number;
  readonly hosts: readonly (Omit<HostReport, 'results'> & { readonly absent?: Absent })[];
  readonly results: readonly CheckResult[];
}

const TIMEOUT_MS = 120_000;

/** Checks every op on this machine, wherever it can run. Never throws for what is missing or broken here. */
export async function verify(options: VerifyOptions = {}): Promise<VerifyDocument> {
  const { backend: wanted, device, timeout = TIMEOUT_MS, onStep } = options;
  const backends: readonly Backend[] = wanted === undefined ? ['native', 'tensorflow'] : [wanted];
  const reports: HostReport[] = [];
  for (const backend of backends) {
    const job: VerifyJob = { backend, device, effort: 'full' };
    reports.push(await verifyHost(job, { timeout, onStep: (title) => onStep?.(backend, title) }));
  }
  const results = reports.flatMap((report) => report.results);
  const count = (outcome: CheckResult['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length;
  const [passed, failed, skipped] = [count('passed'), count('failed'), count('skipped')];
  const hosts = reports.map(({ results: _, ...host }) => host);
  const ok = passed > 0 && failed === 0;
  return { schema: 1, version: packageVersion, ok, passed, failed, skipped, hosts, results };
}
