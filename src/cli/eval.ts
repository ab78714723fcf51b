import { type Command, Option } from 'commander';
import { given } from '../common/objects.js';
import { dataDefaults } from '../data/defaults.js';
import type { OpenDataOptions } from '../data/open.js';
import type { LoadedModel } from '../generate/index.js';
import { evaluationDocument, evaluationText } from './evaluation-text.js';
import { shareArgument, tfjsBackendOption, tokensArgument, wholeArgument } from './options.js';

interface EvalCommandOptions {
  readonly model: string;
  readonly data: string[];
  readonly on: 'heldout' | 'train' | 'all';
  readonly tokenizer?: string;
  readonly heldOut?: number;
  readonly field?: string;
  readonly splitAt?: string;
  readonly batch: number;
  readonly time?: number;
  readonly batches?: number;
  /** False with --no-begin. */
  readonly begin?: readonly number[] | false;
  readonly backend?: 'tensorflow' | 'cpu';
  readonly json?: boolean;
}

/** Adds `eval`: how well a model foretells text. */
export function registerEval(program: Command): void {
  program
    .command('eval')
    .description('measure how well a model foretells text: loss, perplexity, bits a byte')
    .requiredOption('--model <folder>', 'a training run, one of its step-* folders, or a Hugging Face LLaMA')
    .requiredOption('--data <path...>', "as 'polycom train' takes it, or 'synthetic'")
    .addOption(
      new Option('--on <part>', 'of the data: what training held out, what it saw, or all of a text')
        .choices(['heldout', 'train', 'all'])
        .default('heldout'),
    )
    .option(
      '--tokenizer <name|path>',
      "'bytes', or a tokenizer.json (default: the one in the model's folder)",
    )
    .option(
      '--held-out <share>',
      `of the text, as it was in training (default: ${dataDefaults.heldOut})`,
      shareArgument,
    )
    .option('--field <name>', `of each JSON line, which has the text (default: ${dataDefaults.field})`)
    .option('--split-at <mark>', 'that stands between documents in a text, as it was in training')
    .option('--batch <count>', 'windows at once', wholeArgument(1), 8)
    .option(
      '--time <count>',
      "tokens of a window (default: what the model's context has room for)",
      wholeArgument(1),
    )
    .option(
      '--begin <tokens>',
      "before each window, as 1 or 1,2 (default: the model's begin token)",
      tokensArgument,
    )
    .option('--no-begin', "nothing before a window, also where the model's folder has a begin token")
    .option('--batches <count>', 'so many alone, evenly spread (default: all)', wholeArgument(1))
    .addOption(tfjsBackendOption())
    .option('--json', 'print it as JSON')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
The text is cut into windows that do not overlap; each token is foretold from those before it in its window. A model that
was shown a begin token before its texts, as LLaMAs were, has it before each window; what it foretells itself is not
counted. Bits a byte compare models of different tokenizers.

  npx polycom eval --model runs/book --data book.txt
  npx polycom eval --model runs/book/step-00001000 --data other.txt --on all
  npx polycom eval --model runs/moe --data synthetic --batches 20 --json`;

async function run(options: EvalCommandOptions): Promise<void> {
  const { model: path, data: sources, on, batch, batches, json } = options;
  const { chooseBackend } = await import('../tensorflow/backend.js');
  const { loadModel } = await import('../generate/load.js');
  const { openData } = await import('../data/open.js');
  const { evaluate, textTokenizer } = await import('../train/evaluate.js');
  await chooseBackend(options.backend);
  const loaded = await loadModel(path, given({ tokenizer: options.tokenizer }));
  const { model } = loaded;
  try {
    const data = await openData(sources.length === 1 ? sources[0]! : sources, dataOptions(options, loaded));
    try {
      const begin = beginOf(options, loaded);
      const { time = model.config.context - begin.length } = options;
      const evaluation = await evaluate(model, on === 'heldout' ? data.heldOut : data.train, {
        batch,
        time,
        begin,
        ...given({ batches, ...textTokenizer(data) }),
      });
      const { folder, step } = loaded;
      const { entropy } = data;
      const about = { schema: 1, model: folder, step, data: sources, on, begin, entropy };
      const ended = entropy === undefined ? '' : `; the entropy of the language is ${entropy.toFixed(4)}`;
      const text = `${folder} on ${evaluation.tokens.toLocaleString('en-US')} tokens${behind(begin, loaded)}: ${evaluationText(evaluation)}${ended}`;
      const shown = json ? JSON.stringify({ ...about, ...evaluationDocument(evaluation) }) : text;
      process.stdout.write(`${shown}\n`);
    } finally {
      data.close();
    }
  } finally {
    model.dispose();
  }
}

/** The tokens before each window: those that were said, or the model's. */
function beginOf({ begin }: EvalCommandOptions, loaded: LoadedModel): readonly number[] {
  return begin === false ? [] : (begin ?? loaded.begin ?? []);
}

/** Says which tokens stood before each window, or that those of the model did not. */
function behind(begin: readonly number[], loaded: LoadedModel): string {
  const named = (ids: readonly number[]): string => `token${ids.length === 1 ? '' : 's'} ${ids.join(', ')}`;
  if (begin.length > 0) return `, each window behind the begin ${named(begin)}`;
  return loaded.begin === undefined ? '' : `, without the begin ${named(loaded.begin)} before each window`;
}

/** The text is cut as in training, into the tokens of the model. */
function dataOptions(
  { data, on, heldOut, field, splitAt }: EvalCommandOptions,
  { tokenizer }: LoadedModel,
): OpenDataOptions {
  const isSynthetic = data[0] === 'synthetic' && data.length === 1;
  const share = on === 'all' ? 0 : heldOut;
  return given({ tokenizer: isSynthetic ? undefined : tokenizer, heldOut: share, field, splitAt });
}
