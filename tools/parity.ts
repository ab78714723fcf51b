/**
 * Trains one model here and in PyTorch, from the same parameters on the same batches, and compares the held-out losses
 * and the speed: `npm run parity -- --data book.txt`. Without PyTorch it says so and succeeds; the exit status is 1
 * where the losses are more than 2 % apart.
 *
 *   --data FILE           text, or 'synthetic'
 *   --activation NAME     polynorm by default; --preset NAME: small; --steps N: 200; --batch N: 8; --time N: 128
 *   --json FILE           write the figures there
 *   --install             first put PyTorch into a virtual environment in the user's cache, where it is not there yet
 */
import '../src/tensorflow/index.js';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { currentCommit, describeMachine } from '../src/bench/machine.js';
import { percentile, round } from '../src/bench/statistics.js';
import { writeSafetensors } from '../src/checkpoint/index.js';
import { runCommand } from '../src/common/command.js';
import { packageFolder } from '../src/common/package.js';
import { Batches, openData, windowsInOrder } from '../src/data/index.js';
import { activationOf } from '../src/model/activation.js';
import { configOf, type PresetName, parameterCounts, Transformer } from '../src/model/index.js';
import { AdamW, learningRateAt } from '../src/train/index.js';
import { installPeers, peersPython } from './python.js';

const SHARE = 0.02;
const HELD_OUT_BATCHES = 32;
const WARM_UP = 5;

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: 'synthetic' },
    activation: { type: 'string', default: 'polynorm' },
    preset: { type: 'string', default: 'small' },
    steps: { type: 'string', default: '200' },
    batch: { type: 'string', default: '8' },
    time: { type: 'string', default: '128' },
    json: { type: 'string' },
    install: { type: 'boolean', default: false },
  },
});
const [steps, batch, time] = [values.steps, values.batch, values.time].map(Number) as [
  number,
  number,
  number,
];
const recipe = {
  steps,
  learningRate: 1e-3,
  floor: 1e-4,
  warmup: Math.ceil(steps / 10),
  betas: [0.9, 0.95] as [number, number],
  epsilon: 1e-8,
  decay: 0.1,
  clip: 1,
};

await tf.setBackend('tensorflow');
const folder = mkdtempSync(join(tmpdir(), 'polycom-parity-'));
try {
  await compare(
    values.install ? await installPeers((text) => void process.stderr.write(text)) : await peersPython(),
  );
} finally {
  rmSync(folder, { recursive: true });
}

async function compare(python: string): Promise<void> {
  const data = await openData(values.data, { heldOut: 0.05 });
  const config = configOf(values.preset as PresetName, {
    activation: activationOf(values.activation).name,
    vocabulary: data.tokenizer.vocabulary,
  });
  const model = Transformer.create(config, { seed: 1 });
  const file = (name: string): string => join(folder, name);
  writeFileSync(file('config.json'), JSON.stringify(config));
  writeFileSync(file('recipe.json'), JSON.stringify(recipe));
  const tensors = Array.from(model.parameters, ([name, { shape }]) => {
    return [name, { dtype: 'F32', shape, data: model.parameters.get(name)!.dataSync<'float32'>() }] as const;
  });
  await writeSafetensors(file('parameters.safetensors'), tensors);
  const batches = new Batches(data.train, { batch, time, seed: 1 });
  const words = Array.from({ length: steps }, () => batches.next());
  const heldOut = [...windowsInOrder(data.heldOut, { batch, time, limit: HELD_OUT_BATCHES * batch })].filter(
    ({ rows }) => rows === batch,
  );
  writeFileSync(file('data.i32'), joined(words));
  writeFileSync(file('heldout.i32'), joined(heldOut));

  const ours = trainHere(model, words);
  const loss = heldOutLoss(model, heldOut);
  data.close();
  const args = [
    join(packageFolder, 'bench', 'peers', 'pytorch_train.py'),
    ...['--config', file('config.json'), '--parameters', file('parameters.safetensors')],
    ...['--data', file('data.i32'), '--heldout', file('heldout.i32'), '--format', 'i32'],
    ...['--batch', String(batch), '--time', String(time), '--recipe', file('recipe.json')],
  ];
  const { status, stdout, stderr } = await runCommand(python, args);
  if (status !== 0) throw new Error(stderr);
  const line = stdout.trim().split('\n').at(-1)!;
  if (!line.startsWith('{')) return void process.stdout.write(`parity: ${line}\n`);
  const theirs = JSON.parse(line);
  const apart = Math.abs(loss - theirs.heldout_loss) / theirs.heldout_loss;
  const figures = {
    schema: 1,
    bench: 'parity',
    date: new Date().toISOString(),
    commit: await currentCommit(),
    machine: describeMachine(),
    data: values.data === 'synthetic' ? 'synthetic' : 'text',
    ...(data.entropy === undefined ? {} : { entropy: data.entropy }),
    preset: values.preset,
    activation: values.activation,
    parameters: parameterCounts(config).total,
    steps,
    batch,
    time,
    ours: { heldout_loss: loss, last_loss: ours.losses.at(-1), tok_per_s: ours.tok_per_s },
    pytorch: {
      heldout_loss: theirs.heldout_loss,
      last_loss: theirs.losses.at(-1),
      tok_per_s: theirs.tok_per_s,
    },
    apart: round(apart),
    speed: round(ours.tok_per_s / theirs.tok_per_s),
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  if (values.json !== undefined) {
    mkdirSync(dirname(values.json), { recursive: true });
    writeFileSync(values.json, `${JSON.stringify(figures, undefined, 1)}\n`);
  }
  if (!(apart <= SHARE)) process.exitCode = 1;
}

/** [batches, batch, time + 1]: each row and its last target. */
function joined(all: readonly { readonly inputs: Int32Array; readonly targets: Int32Array }[]): Int32Array {
  const rows = all.flatMap(({ inputs, targets }) =>
    Array.from({ length: batch }, (_, r) => [
      ...inputs.subarray(r * time, (r + 1) * time),
      targets[(r + 1) * time - 1]!,
    ]),
  );
  return Int32Array.from(rows.flat());
}

interface Trained {
  readonly losses: number[];
  readonly tok_per_s: number;
}

function trainHere(
  model: Transformer,
  words: readonly { readonly inputs: Int32Array; readonly targets: Int32Array }[],
): Trained {
  const { betas, epsilon, decay, clip, learningRate, floor, warmup } = recipe;
  const optimizer = new AdamW(model.parameters, { betas, epsilon, weightDecay: decay, clip });
  const schedule = { peak: learningRate, floor, warmup, steps, decay: 'cosine' as const };
  const [losses, times]: [number[], number[]] = [[], []];
  for (const [i, { inputs, targets }] of words.entries()) {
    const began = performance.now();
    const loss = tf.tidy(() => {
      const of = (ids: Int32Array): tf.Tensor2D => tf.tensor2d(ids, [batch, time], 'int32');
      const { crossEntropy, gradients } = model.gradients(of(inputs), of(targets));
      optimizer.apply(gradients, { learningRate: learningRateAt(schedule, i + 1) });
      return crossEntropy.dataSync()[0]!;
    });
    times.push(performance.now() - began);
    losses.push(loss);
  }
  optimizer.dispose();
  return { losses, tok_per_s: round((1000 * batch * time) / percentile(times.slice(WARM_UP), 0.5)) };
}

function heldOutLoss(
  model: Transformer,
  windows: readonly { readonly inputs: Int32Array; readonly targets: Int32Array }[],
): number {
  let sum = 0;
  for (const { inputs, targets } of windows) {
    sum += tf.tidy(() => {
      const of = (ids: Int32Array): tf.Tensor2D => tf.tensor2d(ids, [batch, time], 'int32');
      return model.loss(of(inputs), of(targets)).crossEntropy.dataSync()[0]!;
    });
  }
  return sum / windows.length;
}
