/** Measures training as its argument says inside tfjs-node, and sends it to the process that forked this one. */
import { tensorflowStatus } from '../../tensorflow/index.js';
import { activateTensorflow } from '../parts.js';
import type { ModelChildJob } from './child.js';
import { measureTraining } from './train.js';

const { job } = JSON.parse(process.argv[2]!) as ModelChildJob;
const refusal =
  tensorflowStatus.package === undefined ? tensorflowStatus.missing : await activateTensorflow();
if (refusal !== undefined) throw new Error(refusal);
const measured = await measureTraining(job, (group, step) => process.send!({ group, step }));
process.send!({ measured });
process.disconnect();
