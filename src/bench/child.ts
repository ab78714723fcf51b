/** Measures what its argument says inside tfjs-node, and sends it to the process that forked this one. */
import { findNative } from '../native/library.js';
import { tensorflowStatus } from '../tensorflow/index.js';
import type { ChildJob, ChildMessage } from './allocators.js';
import { activateTensorflow, measureTensorflow } from './parts.js';

const job = JSON.parse(process.argv[2]!) as ChildJob;
const native = findNative();

const refusal =
  tensorflowStatus.package === undefined ? tensorflowStatus.missing : await activateTensorflow();
if (refusal !== undefined) throw new Error(refusal);
const measured = measureTensorflow(native.found ? native : undefined, job, job.passes, (group, step) =>
  send({ group, step }),
);
send({ measured });
process.disconnect();

function send(message: ChildMessage): void {
  process.send!(message);
}
