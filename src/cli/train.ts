import { type Command, Option } from 'commander';
import { activations } from '../activations/table.js';
import type { Data } from '../data/open.js';
import { PolycomError } from '../errors.js';
import { presets } from '../model/presets.js';
import type { Resume, SomeSettings, TrainResult } from '../train/index.js';
import { configFileOption, readConfigFile } from './config-file.js';
import { modelOf } from './model-options.js';
import { collect, real, share, tfjsBackendOption, whole } from './options.js';
import { trainProgress } from './train-progress.js';

interface TrainCommandOptions extends Omit<SomeSettings, 'learningRate'> {
  readonly data?: string[];
  readonly out?: string;
  readonly tokenizer?: string;
  readonly heldOut?: number;
  readonly field?: string;
  readonly preset: string;
  readonly activation: string;
  readonly set?: string[];
  readonly lr?: number;
  readonly resume: Resume;
  readonly backend?: 'tensorflow' | 'cpu';
  readonly peak?: number | 'measure';
  readonly tensorboard?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** The options that are settings of the same name. */
const SETTINGS = [
  'steps',
  'batch',
  'time',
  'accumulate',
  'seed',
  'finalShare',
  'decay',
  'warmup',
  'weightDecay',
  'decayEmbedding',
  'beta1',
  'beta2',
  'epsilon',
  'clip',
  'memory',
  'recompute',
  'evalEvery',
  'evalBatches',
  'saveEvery',
  'keep',
] as const satisfies (keyof SomeSettings)[];

/** Adds `train`: train a model, or go on with it. */
export function registerTrain(program: Command): void {
  program
    .command('train')
    .description('train a language model; the same command again goes on from its last checkpoint')
    .option('--data <path...>', "text files, JSON lines, folders of them, what prepare made, or 'synthetic'")
    .option('--out <folder>', 'for checkpoints, log and tokenizer')
    .addOption(configFileOption())
    .optionsGroup('Data:')
    .option('--tokenizer <name|path>', "'bytes', or a tokenizer.json (default: bytes)")
    .option('--held-out <share>', 'of the text, kept from training (default: 0.05)', share)
    .option('--field <name>', 'of each JSON line, which has the text (default: text)')
    .optionsGroup('Model:')
    .addOption(
      new Option('--preset <name>', 'its size').choices(Object.keys(presets)).default('small'),
    )
    .addOption(
      new Option('--activation <name>', 'of its feed-forward networks')
        .choices(activations.map(({ name }) => name))
        .default('polynorm'),
    )
    .option('--set <field=value>', 'any field of its configuration; several times for several', collect)
    .optionsGroup('Training:')
    .option('--steps <count>', 'in all, those of earlier runs included (default: 1000)', whole(1))
    .option('--batch <count>', 'windows of a batch (default: 8)', whole(1))
    .option('--time <count>', "tokens of a window (default: the model's context)", whole(1))
    .option('--accumulate <count>', 'batches of a step (default: 1)', whole(1))
    .option('--seed <number>', 'of first values, order of data and dropout (default: 0)', whole(0))
    .option('--lr <number>', 'the highest learning rate (default: 0.001)', real)
    .option('--warmup <count>', 'steps up to it (default: a twentieth of all, at most 1000)', whole(0))
    .addOption(
      new Option('--decay <name>', 'how it goes down (default: cosine)').choices([
        'cosine',
        'linear',
        'constant',
      ]),
    )
    .option('--final-share <share>', 'of the learning rate at the last step (default: 0.1)', real)
    .option('--weight-decay <number>', 'of matrices (default: 0.1)', real)
    .option('--decay-embedding', 'let the embedding decay too')
    .option('--beta1 <number>', "of AdamW's first moment (default: 0.9)", real)
    .option('--beta2 <number>', "of AdamW's second moment (default: 0.95)", real)
    .option('--epsilon <number>', "of AdamW's root (default: 1e-8)", real)
    .option('--clip <number>', 'largest norm of all gradients, 0 for any (default: 1)', real)
    .addOption(
      new Option('--memory <name>', "what a block's gradients keep (default: block)").choices([
        'block',
        'checkpoint',
        'tape',
      ]),
    )
    .option('--recompute', 'with --memory block: keep a third less, in a little more time')
    .optionsGroup('Run:')
    .option('--eval-every <count>', 'steps, on held-out text, 0 for never (default: 100)', whole(0))
    .option('--eval-batches <count>', 'of an evaluation, always the same (default: 16)', whole(1))
    .option('--save-every <count>', 'steps, and after the last; 0 for that alone (default: 100)', whole(0))
    .option('--keep <count>', 'checkpoints that stay (default: 3)', whole(1))
    .addOption(
      new Option('--resume <how>', 'from the last checkpoint: if there is one, in any case, or not')
        .choices(['auto', 'required', 'never'])
        .default('auto'),
    )
    .addOption(tfjsBackendOption())
    .option('--peak <flops>', "a second, of which the use is shown; or 'measure'", peak)
    .option('--tensorboard', 'write event files too, with tfjs-node')
    .option('--json', 'print how it ended as JSON')
    .option('--quiet', 'show no progress')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
  npx polycom train --data book.txt --out runs/book
  npx polycom train --data book.txt --out runs/wide --preset small --set width=256 --set layers=6 --steps 5000
  npx polycom train --data synthetic --out runs/moe --preset tiny-moe --activation swiglu --steps 300
  npx polycom train --config run.json --steps 2000

What is trained on is cut into shards first, in the user's cache; 'polycom prepare' makes them for good. Files in --out:

  step-00000100/   a checkpoint: model.safetensors, optimizer.safetensors, config.json, state.json
  log.jsonl        a line of JSON for each step and each evaluation
  tensorboard/     with --tensorboard
  tokenizer.json   so that 'polycom generate --model' and 'polycom eval --model' find it

A run may be killed at any moment: the same command goes on from the last checkpoint, with the same losses on a CPU.
More --steps, or another learning rate, are fine; another model, other data, another --seed or --time are an error.
Ctrl-C, or a SIGTERM, finishes the step and saves; the exit status is then 130 or 143. It is 1 for any error, among them a
loss or a gradient that is NaN or infinite. A --config has the options as keys: {"data": "book.txt", "evalEvery": 50,
"set": {"width": 256}}; the command line goes before it.

The paper's models have --lr 3e-4 (dense-1.3b, with --final-share 0.1) and 4e-4 (moe-1b-7b); small ones learn faster with more.
`.trimEnd();

async function run(_: TrainCommandOptions, command: Command): Promise<void> {
  readConfigFile(command, command.opts<{ config?: string }>().config);
  const options = command.opts<TrainCommandOptions>();
  const { out, resume, peak, tensorboard, json, quiet } = options;
  const sources = required(options.data, 'data', command);
  const folder = required(out, 'out', command);
  const { chooseBackend } = await import('./backend.js');
  const training = await import('../train/index.js');
  await chooseBackend(options.backend);
  const data = await dataOf(sources, options);
  const stop = new StopSignals();
  const progress = trainProgress(process.stderr, quiet ?? false);
  try {
    const result = await training.train({
      config: modelOf(options, data),
      data,
      out: folder,
      settings: settingsIn(options),
      resume,
      signal: stop.signal,
      ...(peak === undefined
        ? {}
        : { peak: peak === 'measure' ? await training.measureMatmulPeak() : { flops: peak, named: 'given' } }),
      ...writerIn(tensorboard ? training.openTensorboard(join(folder, 'tensorboard')) : undefined),
      ...progress,
    });
    progress.end();
    process.stdout.write(json ? `${JSON.stringify(documentOf(folder, result, data))}\n` : summary(folder, result, options, data));
    if (result.interrupted) process.exitCode = stop.exitCode;
  } finally {
    progress.end();
    stop.end();
    data.close();
  }
}
