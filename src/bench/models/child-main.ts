/** Measures training as its argument says inside tfjs-node, and sends it to the process that forked this one. */
import { tensorflowStatus } from '../../tensorflow/index.js';
import { activateTensorflow } from '../parts.js';
import type { ModelChildJob } from './child.js';
import { measureTraining, planTraining } from './train.js';
import type { TrainRow } from './types.js';

const { job } = JSON.parse(process.argv[2]!) as ModelChildJob;
const refusal =
  tensorflowStatus.package === undefined ? tensorflowStatus.missing : await activateTensorflow();
if (refusal !== undefined) throw new Error(refusal);
const plan = planTraining(job);
const { notes } = plan;
// Each time there is more: what was measured stays, should a later contender end this process.
const send = (rows: TrainRow[]): void => void process.send!({ measured: { rows, notes } });
send([]);
await measureTraining(job, plan, (group, step) => process.send!({ group, step }), send);
process.disconnect();
