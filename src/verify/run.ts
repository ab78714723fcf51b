import { activations } from '../activations/table.js';
import type { Device } from '../native/types.js';
import { runProbe } from '../probe.js';
import type { Absent, Backend, CheckResult, VerifyJob, VerifyMessage } from './types.js';

/** What came of verifying a host. */
export interface HostReport {
  readonly backend: Backend;
  /** The one that was asked for or, in TensorFlow, found. */
  readonly device: Device;
  readonly results: readonly CheckResult[];
  /** Why there was nothing to verify, and what to do about it. */
  readonly absent?: Absent;
}

/** How {@link verifyHost} goes about it. */
export interface VerifyHostOptions {
  /** Milliseconds that loading, or one check, may take before it counts as hanging. */
  readonly timeout: number;
  /** Called with what is looked at: `polynorm 5×8256 f32`. */
  readonly onStep?: ((title: string) => void) | undefined;
}

/**
 * Checks every op of the table on a host, in a process of its own: against its f64 reference, for the same bits again,
 * and for NaN, infinity and zeros. A crash is the failure of the check that it came in, and of the ops after it.
 */
export async function verifyHost(job: VerifyJob, options: VerifyHostOptions): Promise<HostReport> {
  const results: CheckResult[] = [];
  let { backend, device = 'cpu' } = job;
  let absent: Absent | undefined;
  let at: string | undefined;
  const onMessage = (message: VerifyMessage): void => {
    if ('result' in message) results.push(message.result);
    else if ('absent' in message) absent = message.absent;
    else if ('device' in message) device = message.device;
    else {
      at = message.at;
      options.onStep?.(at);
    }
  };
  const failure = await runProbe(import.meta.url, 'child', job, { timeout: options.timeout, onMessage });
  if (failure !== undefined) results.push(...unreached(backend, device, at, failure));
  return { backend, device, results, ...(absent === undefined ? {} : { absent }) };
}

/** The failure of the op in which the process ended, and of those that it did not come to. */
function unreached(backend: Backend, device: Device, at: string | undefined, failure: string): CheckResult[] {
  const [current, ...rest] = at?.split(' ') ?? [activations[0]!.name, 'loading'];
  const from = activations.findIndex(({ name }) => name === current);
  return activations.slice(from).map(({ name }) => ({
    op: name,
    backend,
    device,
    kind: 'forward',
    dtype: 'f32',
    sample: name === current ? rest.join(' ') : 'not reached',
    outcome: 'failed',
    message: name === current ? `the process ${failure}` : `the process had ended at ${current}`,
  }));
}
