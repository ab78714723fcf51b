/** Measures what its argument says inside tfjs-node, and sends it to the process that forked this one. */
import { findNative } from '../native/library.js';
import { tensorflowStatus } from '../tensorflow/index.js';
import type { ChildJob, ChildMessage } from './allocators.js';
import { activateTensorflow, measureTensorflow } from './parts.js';

const job = JSON.parse(process.argv[2]!) as ChildJob;
const native = findNative();

if (tensorflowStatus.package === undefined || !(await activateTensorflow())) {
  throw new Error(`no TensorFlow: ${tensorflowStatus.missing}`);
}
const measured = measureTensorflow(native.found ? native : undefined, job, job.passes, (group, step) =>
  send({ group, step }),
);
send({ measured });
process.disconnect();

function send(message: ChildMessage): void {
  process.send!(message);
}
