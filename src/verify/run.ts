import { given } from '../common/objects.js';
import { runProbe } from '../common/probe.js';
import type { Absent, CheckResult, Host, VerifyJob, VerifyMessage } from './types.js';

/** What came of verifying a host. */
export interface HostReport extends Host {
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
  const { backend } = job;
  let { device = 'cpu' } = job;
  let absent: Absent | undefined;
  let ops: readonly string[] = [];
  let at = { op: 'all ops', sample: 'loading' };
  const onMessage = (message: VerifyMessage): void => {
    if ('result' in message) results.push(message.result);
    else if ('absent' in message) absent = message.absent;
    else if ('ops' in message) ({ device, ops } = message);
    else {
      at = message;
      options.onStep?.(`${at.op} ${at.sample}`);
    }
  };
  const failure = await runProbe(import.meta.url, 'child', job, { timeout: options.timeout, onMessage });
  const host = { backend, device };
  if (failure !== undefined) results.push(...unreached(host, ops, at, failure));
  return given({ ...host, results, absent });
}

/** The failure of the op in which the process ended, and of those that it did not come to. */
function unreached(
  host: Host,
  ops: readonly string[],
  at: { readonly op: string; readonly sample: string },
  failure: string,
): CheckResult[] {
  const failed = { ...host, kind: 'forward', dtype: 'f32', ok: false } as const;
  const others = ops.slice(ops.indexOf(at.op) + 1).map((op) => {
    return { ...failed, op, sample: 'not reached', message: `the process had ended in ${at.op}` };
  });
  return [{ ...failed, ...at, message: `the process ${failure}` }, ...others];
}
