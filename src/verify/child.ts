/** Verifies the host that its argument names, and says what comes of each check before it goes on. */

import { answer, endProbe, probeJob } from '../common/probe.js';
import { findNative } from '../native/library.js';
import type { Device } from '../native/types.js';
import { checkedName, stepsOf } from './checks.js';
import type { Absent, Runner, VerifyJob, VerifyMessage } from './types.js';

const job = probeJob<VerifyJob>();
const say = (message: VerifyMessage): Promise<void> => answer(message);

const runner = await (job.backend === 'native'
  ? runnerOfLibrary(job.device)
  : runnerInTensorflow(job.device));
if ('reason' in runner) await say({ absent: runner });
else await verify(runner);
endProbe();

async function verify(runner: Runner): Promise<void> {
  const { backend, effort } = job;
  const { device, ops } = runner;
  await say({ device, ops: ops.map(checkedName) });
  for (const op of ops) {
    for (const { sample, run } of stepsOf(op, { backend, device }, runner, effort)) {
      await say({ op: checkedName(op), sample });
      for (const result of run()) await say({ result });
    }
  }
  runner.dispose();
}

async function runnerOfLibrary(device: Device = 'cpu'): Promise<Runner | Absent> {
  const native = findNative();
  if (!native.found) return { reason: native.reason, remedy: native.remedy };
  return (await import('./native.js')).nativeRunner(native, device);
}

async function runnerInTensorflow(device?: Device): Promise<Runner | Absent> {
  const { tensorflowStatus: status } = await import('../tensorflow/index.js');
  if (!status.fused) return { reason: status.reason!, remedy: status.remedy! };
  return (await import('./tensorflow.js')).tensorflowRunner(device);
}
