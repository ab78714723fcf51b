/** Verifies the host that its argument names, and says what comes of each check before it goes on. */
import { findNative } from '../native/library.js';
import type { Device } from '../native/types.js';
import { answer, endProbe, probeJob } from '../probe.js';
import { opName, type Step, stepsOf } from './checks.js';
import { transformerSteps } from './transformer.js';
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
  const { device, ops, transformerOps } = runner;
  const host = { backend, device };
  await say({ device, ops: [...ops.map(opName), ...transformerOps.map(({ name }) => name)] });
  for (const op of ops) await verifyOp(opName(op), stepsOf(op, host, runner, effort));
  for (const op of transformerOps) await verifyOp(op.name, transformerSteps(op, host, runner, effort));
  runner.dispose();
}

async function verifyOp(op: string, steps: readonly Step[]): Promise<void> {
  for (const { sample, run } of steps) {
    await say({ op, sample });
    for (const result of run()) await say({ result });
  }
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
