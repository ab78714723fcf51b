/** Verifies the host that its argument names, and says what comes of each check before it goes on. */
import { activations } from '../activations/table.js';
import { findNative } from '../native/library.js';
import type { Device } from '../native/types.js';
import { answer, endProbe, probeJob } from '../probe.js';
import { stepsOf } from './checks.js';
import type { Absent, Runner, VerifyJob, VerifyMessage } from './types.js';

const job = probeJob<VerifyJob>();
const say = (message: VerifyMessage): Promise<void> => answer(message);

const runner = await (job.backend === 'native' ? nativeRunner(job.device) : tensorflowRunner(job.device));
if ('reason' in runner) await say({ absent: runner });
else await verify(runner);
endProbe();

async function verify(runner: Runner): Promise<void> {
  const { backend, effort } = job;
  await say({ device: runner.device });
  for (const op of activations) {
    for (const step of stepsOf(op, { backend, device: runner.device }, runner, effort)) {
      await say({ at: step.title });
      for (const result of step.run()) await say({ result });
    }
  }
  runner.dispose();
}

async function nativeRunner(device: Device = 'cpu'): Promise<Runner | Absent> {
  const native = findNative();
  if (!native.found) return { reason: native.reason, remedy: native.remedy };
  const { cpuRunner } = await import('./native.js');
  if (device === 'cpu') return cpuRunner(native);
  return {
    reason: 'the kernels of a GPU cannot be driven directly yet',
    remedy: 'verify them inside tfjs-node: npx polycom verify --backend tensorflow --device cuda',
  };
}

async function tensorflowRunner(device?: Device): Promise<Runner | Absent> {
  const { tensorflowStatus: status } = await import('../tensorflow/index.js');
  if (!status.fused) return { reason: status.reason!, remedy: status.remedy! };
  return (await import('./tensorflow.js')).tensorflowRunner(device);
}
