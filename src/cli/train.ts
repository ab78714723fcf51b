import { type Command, Option } from 'commander';
import type { Data, OpenDataOptions } from '../data/open.js';
import { PolycomError } from '../errors.js';
import { type ActivationName, activationNames, type PresetName, presetNames } from '../model/config.js';
import { OTHER_STOP_SIGNALS, STOP_SIGNALS } from '../signals.js';
import type { Peak, Resume, SomeSettings, TrainResult } from '../train/index.js';
import { configFileOption, readConfigFile } from './config-file.js';
import { evaluationDocument, evaluationText } from './evaluation-text.js';
import { modelOf } from './model-options.js';
import { collect, positive, real, share, tfjsBackendOption, whole } from './options.js';
import { quoted } from './shell.js';
import { StopSignals } from './stop-signals.js';

interface TrainCommandOptions extends Omit<SomeSettings, 'learningRate'> {
  readonly data?: string[];
  readonly out?: string;
  readonly tokenizer?: string;
  readonly heldOut?: number;
  readonly field?: string;
  readonly splitAt?: string;
  readonly endOfText?: string;
  readonly preset: PresetName;
  readonly activation: ActivationName;
  readonly set?: string[];
  readonly lr?: number;
  readonly resume: Resume;
  readonly backend?: 'tensorflow' | 'cpu';
  readonly peak?: Peak | 'measure';
  readonly tensorboard?: boolean;
  readonly saveSignal?: NodeJS.Signals;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Tokens of the prompt that is printed for a model whose texts no token begins. */
const PROMPT_TOKENS = 4;

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
    .option('--split-at <mark>', 'that stands between documents in a text, and is left out')
    .option('--end-of-text <token>', 'of the tokenizer, where its files do not say which ends a text')
    .optionsGroup('Model:')
    .addOption(new Option('--preset <name>', 'its size').choices(presetNames).default('small'))
    .addOption(
      new Option('--activation <name>', 'of its feed-forward networks')
        .choices(activationNames)
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
    .option(
      '--warmup <count>',
      'steps in which it rises to that (default: a twentieth of all, at most 1000)',
      whole(0),
    )
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
    .option('--save-every <count>', 'steps, and after the last; 0 for no others (default: 100)', whole(0))
    .option('--keep <count>', 'the newest checkpoints to keep (default: 3)', whole(1))
    .addOption(
      new Option('--save-signal <name>', 'to save and end at, beside the first six').choices([
        ...STOP_SIGNALS,
        ...OTHER_STOP_SIGNALS,
      ]),
    )
    .addOption(
      new Option('--resume <how>', 'from the last checkpoint: if there is one, in any case, or not')
        .choices(['auto', 'required', 'never'])
        .default('auto'),
    )
    .addOption(tfjsBackendOption())
    .option(
      '--peak <flops>',
      "the processor's operations a second, to show what share is used; or 'measure'",
      peakOf,
    )
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

A run may be killed at any moment: the same command goes on from the last checkpoint, on the same kind of CPU with the same
losses to the bit. One process trains in a folder; a second one names it, and ends.
More --steps, or another learning rate, are fine; another model, other data, another --seed or --time are an error.
No step is lost to what comes after it: an error in an evaluation leaves its step's checkpoint, and one that is evaluated is
saved first, unless that would take more than a fifth of the time.

Ctrl-C, SIGTERM, SIGHUP (the terminal hung up; also under nohup, which Node does not heed: setsid keeps it out), and a
scheduler's SIGUSR1, SIGUSR2 or SIGXCPU finish the step, or leave the evaluation to the next time, and save; the exit status
is then 128 and the signal's number: 130, 143, 129, 138, 140 or 152. npx passes few signals on: in a batch script, start
node_modules/.bin/polycom with exec. The status is 1 for any error, among them a loss or a gradient that is NaN or infinite.

A --config has the options as keys: {"data": "book.txt", "evalEvery": 50, "set": {"width": 256}}; the command line goes
before it.

The paper's models have --lr 3e-4 (dense-1.3b, with --final-share 0.1) and 4e-4 (moe-1b-7b); small ones learn faster with more.
`.trimEnd();

async function run(_: unknown, command: Command): Promise<void> {
  readConfigFile(command, command.opts<{ config?: string }>().config);
  const options = command.opts<TrainCommandOptions>();
  const { resume, tensorboard = false, saveSignal, json, quiet = false } = options;
  const [sources, out] = [required('data', options.data), required('out', options.out)];
  const { chooseTrainingBackend } = await import('./backend.js');
  const { measureMatmulPeak, train } = await import('../train/index.js');
  const { openData } = await import('../data/open.js');
  const { trainProgress } = await import('./train-progress.js');
  await chooseTrainingBackend(options.backend);
  const peak = options.peak === 'measure' ? await measureMatmulPeak() : options.peak;
  const data = await openData(sources.length === 1 ? sources[0]! : sources, dataOptions(options));
  const stop = new StopSignals(undefined, saveSignal === undefined ? [] : [saveSignal]);
  const { end, ...progress } = trainProgress(process.stderr, quiet, peak);
  try {
    const result = await train({
      config: modelOf(options, data),
      data,
      out,
      settings: settingsIn(options),
      resume,
      signal: stop.signal,
      ...(peak === undefined ? {} : { peak }),
      tensorboard,
      ...progress,
    }).finally(end);
    const { steps = 1000 } = options;
    process.stdout.write(
      json ? `${JSON.stringify(documentOf(out, result))}\n` : summary(out, result, steps, data),
    );
    if (result.interrupted) process.exitCode = stop.exitCode;
  } finally {
    stop.end();
    data.close();
  }
}

function required<T>(name: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new PolycomError('INVALID_ARGUMENT', `--${name} is missing`, {
    remedy: 'give it, or name a --config that has it; polycom train --help shows how',
  });
}

function dataOptions(command: TrainCommandOptions): OpenDataOptions {
  const { tokenizer, heldOut, field, splitAt, endOfText } = command;
  const options = { tokenizer, heldOut, field, splitAt, endOfText };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function settingsIn(options: TrainCommandOptions): SomeSettings {
  const same = SETTINGS.map((name) => [name, options[name]]);
  return { ...Object.fromEntries(same), learningRate: options.lr };
}

function documentOf(out: string, result: TrainResult): object {
  const { step, tokens, loss, evaluation, checkpoint, resumedFrom, interrupted, tokensPerSecond } = result;
  return {
    schema: 1,
    run: out,
    step,
    tokens,
    loss,
    heldout: evaluation === undefined ? null : evaluationDocument(evaluation),
    checkpoint,
    resumed_from: resumedFrom,
    interrupted,
    tok_per_s: tokensPerSecond && Number(tokensPerSecond.toPrecision(4)),
  };
}

function summary(out: string, result: TrainResult, steps: number, data: Data): string {
  const { step, evaluation, checkpoint, tokensPerSecond, interrupted } = result;
  const parts = [
    step > steps
      ? `${out}: step ${step}, past the ${steps} that were asked for`
      : `${out}: step ${step} of ${steps}`,
    ...whatWasDone(result),
    ...(evaluation === undefined ? [] : [`held out: ${evaluationText(evaluation)}`]),
    ...(tokensPerSecond === undefined
      ? []
      : [`${Math.round(tokensPerSecond).toLocaleString('en-US')} tokens a second`]),
  ];
  const next = interrupted ? 'the same command goes on' : generateCommand(out, data);
  return `${parts.join('; ')}\nsaved ${checkpoint}; ${next}\n`;
}

function whatWasDone({ loss, evaluation, interrupted }: TrainResult): string[] {
  if (loss !== undefined) return [`loss ${loss.toFixed(4)}`];
  if (interrupted) return [];
  return [
    evaluation === undefined ? 'nothing was left to do: more --steps go on' : 'its evaluation was left',
  ];
}

/** The command that lets the model write. Where no token begins a text, it has a prompt of the data's first tokens. */
function generateCommand(out: string, { train, tokenizer }: Data): string {
  const command = `npx polycom generate --model ${quoted(out)}`;
  if (tokenizer.endOfText !== undefined) return command;
  const tokens = new Int32Array(Math.min(PROMPT_TOKENS, train.length));
  train.read(0, tokens);
  return `${command} --prompt ${quoted(tokenizer.decode(tokens))}`;
}

function peakOf(text: string): Peak | 'measure' {
  return text === 'measure' ? text : { flops: positive(text), named: 'given' };
}
