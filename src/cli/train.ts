import { type Command, Option } from 'commander';
import { invalidArgument } from '../common/errors.js';
import { given } from '../common/objects.js';
import { OTHER_STOP_SIGNALS, STOP_SIGNALS } from '../common/signals.js';
import { dataDefaults } from '../data/defaults.js';
import type { Data, OpenDataOptions } from '../data/open.js';
import { activationNames } from '../model/activation.js';
import type { ActivationName } from '../model/config.js';
import { type PresetName, presetNames } from '../model/presets.js';
import type { PeakFlops, Resume, SomeSettings, TrainResult } from '../train/index.js';
import { decays } from '../train/schedule.js';
import { defaultSettings, memories } from '../train/settings.js';
import { StopSignals } from '../train/stop-signals.js';
import { configFileOption, readConfigFile } from './config-file.js';
import { evaluationDocument, evaluationText } from './evaluation-text.js';
import { modelOf } from './model-options.js';
import {
  collect,
  positiveArgument,
  realArgument,
  shareArgument,
  tfjsBackendOption,
  wholeArgument,
  written,
} from './options.js';
import { quoted } from './shell.js';

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
  readonly peak?: PeakFlops | 'measure';
  readonly tensorboard?: boolean;
  readonly saveSignal?: NodeJS.Signals;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Tokens of the prompt that is printed for a model whose texts no token begins. */
const PROMPT_TOKENS = 4;

/** An option that is a setting of the same name. */
function setting(
  name: keyof typeof defaultSettings,
  value: string,
  text: string,
  parse: (given: string) => number,
): Option {
  return new Option(`${written(name)} ${value}`, described(name, text)).argParser(parse);
}

/** A setting's help, with its default. */
function described(name: keyof typeof defaultSettings, text: string): string {
  return `${text} (default: ${defaultSettings[name]})`;
}

/** Adds `train`: train a model, or go on with it. */
export function registerTrain(program: Command): void {
  program
    .command('train')
    .description('train a language model; the same command again goes on from its last checkpoint')
    .option('--data <path...>', "text files, JSON lines, folders of them, what prepare made, or 'synthetic'")
    .option('--out <folder>', 'for checkpoints, log and tokenizer')
    .addOption(configFileOption())
    .optionsGroup('Data:')
    .option('--tokenizer <name|path>', `'bytes', or a tokenizer.json (default: ${dataDefaults.tokenizer})`)
    .option(
      '--held-out <share>',
      `of the text, kept from training (default: ${dataDefaults.heldOut})`,
      shareArgument,
    )
    .option('--field <name>', `of each JSON line, which has the text (default: ${dataDefaults.field})`)
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
    .addOption(setting('steps', '<count>', 'in all, those of earlier runs included', wholeArgument(1)))
    .addOption(setting('batch', '<count>', 'windows of a batch', wholeArgument(1)))
    .option('--time <count>', "tokens of a window (default: the model's context)", wholeArgument(1))
    .addOption(setting('accumulate', '<count>', 'batches of a step', wholeArgument(1)))
    .addOption(setting('seed', '<number>', 'of first values, order of data and dropout', wholeArgument(0)))
    .option('--lr <number>', described('learningRate', 'the highest learning rate'), realArgument)
    .option(
      '--warmup <count>',
      'steps in which it rises to that (default: a twentieth of all, at most 1000)',
      wholeArgument(0),
    )
    .addOption(new Option('--decay <name>', described('decay', 'how it goes down')).choices(decays))
    .addOption(setting('finalShare', '<share>', 'of the learning rate at the last step', realArgument))
    .addOption(setting('weightDecay', '<number>', 'of matrices', realArgument))
    .option('--decay-embedding', 'let the embedding decay too')
    .addOption(setting('beta1', '<number>', "of AdamW's first moment", realArgument))
    .addOption(setting('beta2', '<number>', "of AdamW's second moment", realArgument))
    .addOption(setting('epsilon', '<number>', "of AdamW's root", realArgument))
    .addOption(setting('clip', '<number>', 'largest norm of all gradients, 0 for any', realArgument))
    .addOption(
      new Option('--memory <name>', described('memory', "what a block's gradients keep")).choices(memories),
    )
    .option('--recompute', 'with --memory block: keep a third less, in a little more time')
    .optionsGroup('Run:')
    .addOption(setting('evalEvery', '<count>', 'steps, on held-out text, 0 for never', wholeArgument(0)))
    .addOption(setting('evalBatches', '<count>', 'of an evaluation, always the same', wholeArgument(1)))
    .addOption(
      setting('saveEvery', '<count>', 'steps, and after the last; 0 for no others', wholeArgument(0)),
    )
    .addOption(setting('keep', '<count>', 'the newest checkpoints to keep', wholeArgument(1)))
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
  const { chooseTrainingBackend } = await import('../tensorflow/backend.js');
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
      ...given({ peak }),
      tensorboard,
      ...progress,
    }).finally(end);
    const { steps = defaultSettings.steps } = options;
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
  throw invalidArgument(`--${name} is missing`, {
    remedy: 'give it, or name a --config that has it; polycom train --help shows how',
  });
}

function dataOptions({
  tokenizer,
  heldOut,
  field,
  splitAt,
  endOfText,
}: TrainCommandOptions): OpenDataOptions {
  return given({ tokenizer, heldOut, field, splitAt, endOfText });
}

function settingsIn(options: TrainCommandOptions): SomeSettings {
  const names = Object.keys(defaultSettings) as (keyof TrainCommandOptions)[];
  const { time, warmup, lr: learningRate } = options;
  return { ...Object.fromEntries(names.map((name) => [name, options[name]])), time, warmup, learningRate };
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

function peakOf(text: string): PeakFlops | 'measure' {
  return text === 'measure' ? text : { flops: positiveArgument(text), named: 'given' };
}
