/**
 * A training run in miniature, to be killed: once told to, resumes the run that its argument names and saves a
 * checkpoint after a checkpoint, whose tensors are full of the step. Says each step that it has saved.
 */
import { once } from 'node:events';
import { latest, loadCheckpoint, saveCheckpoint } from '../../src/checkpoint/folder.js';

const run = process.argv[2]!;
const floats = (step: number) => ({ shape: [256, 256], data: new Float32Array(1 << 16).fill(step) });

process.stdout.write('ready\n');
await once(process.stdin, 'data');
let step = (await latest(run)) === undefined ? 0 : (await loadCheckpoint(run)).step;
for (;;) {
  step += 1;
  const model = new Map([
    ['a', floats(step)],
    ['b', floats(step)],
  ]);
  await saveCheckpoint(
    run,
    step,
    { model, optimizer: new Map([['a.m', floats(step)]]), state: { step } },
    { keep: 2 },
  );
  process.stdout.write(`${step}\n`);
}
