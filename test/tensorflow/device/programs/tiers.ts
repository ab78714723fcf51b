/** A digest of what every op gives, bit for bit. */
import { createHash } from 'node:crypto';
import { streamTier } from '../../../../src/tensorflow/ops.js';
import { tensorflowRunner } from '../../../../src/verify/tensorflow.js';
import { answer } from './begin.js';

const runner = await tensorflowRunner('cuda');
if ('reason' in runner) throw new Error(runner.reason);
const digest = createHash('sha256');
let count = 0;
for (const op of runner.ops) {
  for (const sample of op
    .samples()
    .filter(({ dtype = 'f32' }) => dtype === 'f32')
    .slice(0, 3)) {
    const { outputs, gradients } = runner.run(op, sample);
    for (const values of [...outputs, ...gradients]) digest.update(values);
    ++count;
  }
}
answer({ tier: streamTier(), count, digest: digest.digest('hex') });
