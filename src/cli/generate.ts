import { type Command, Option } from 'commander';
import { PolycomError } from '../common/errors.js';
import { chunksSync } from '../common/files.js';
import { given } from '../common/objects.js';
import { Utf8Decoder } from '../common/text.js';
import type { FinishReason, GenerateOptions, LoadedModel } from '../generate/index.js';
import { collect, realArgument, wholeArgument, written } from './options.js';
import { TextPrinter } from './printer.js';

interface GenerateCommandOptions {
  readonly model: string;
  readonly tokenizer?: string;
  readonly prompt?: string[];
  readonly promptFile?: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP: number;
  readonly repetitionPenalty: number;
  readonly stop?: string[];
  readonly ignoreEnd?: boolean;
  readonly slide?: boolean;
  readonly seed?: number;
  readonly samples: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** A text as it comes. */
interface Text {
  readonly prompt: string;
  text: string;
  count: number;
  reason: FinishReason;
}

/** Adds `generate`: a model goes on with a text. */
export function registerGenerate(program: Command): void {
  program
    .command('generate')
    .description('let a model go on with a text')
    .requiredOption('--model <folder>', 'a training run, one of its step-* folders, or a Hugging Face LLaMA')
    .addOption(
      new Option('--prompt <text>', 'the text to go on with; several times for several')
        .argParser(collect)
        .conflicts('promptFile'),
    )
    .option('--prompt-file <file>', "the same, from a file; '-' is standard input")
    .option('--tokens <count>', 'the most new tokens of a text', wholeArgument(1), 256)
    .option(
      '--temperature <number>',
      'below 1 more predictable, above 1 less; 0: the likeliest token',
      realArgument,
      0.8,
    )
    .option(
      '--top-k <count>',
      'choose among so many of the likeliest tokens (default: all)',
      wholeArgument(1),
    )
    .option('--top-p <share>', 'choose among the likeliest tokens of this share together', realArgument, 1)
    .option('--repetition-penalty <number>', 'above 1, what was said before is less likely', realArgument, 1)
    .option('--stop <text>', 'end before this text; several times for several', collect)
    .option('--ignore-end', 'go on where the model ends the text')
    .option('--slide', 'go on where the context is full, by forgetting its older half')
    .option(
      '--seed <number>',
      'the same seed gives the same text (default: another each time)',
      wholeArgument(0),
    )
    .option('--samples <count>', 'texts of each prompt', wholeArgument(1), 1)
    .option('--tokenizer <name|path>', "'bytes', or a tokenizer.json (default: the one in the folder)")
    .option('--json', 'print one JSON document at the end, nothing before')
    .option('--quiet', 'say nothing on stderr of speed, seed and why texts ended')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
The text appears on stdout as it is made, without the prompt; of several texts the first does, and the others follow,
each under a line that numbers it. Without a prompt the model begins a text of its own. The options are applied in this
order: penalty, temperature, top-k, top-p. Text number i draws with the seed + i - 1, so it can be had again alone.

  npx polycom generate --model runs/book --prompt "Once upon a time"
  npx polycom generate --model runs/book/step-00001000 --prompt-file start.txt --temperature 0 --tokens 100
  npx polycom generate --model SmolLM-135M --prompt "def add(" --top-p 0.9 --stop "def " --samples 3 --seed 7
  echo -n "Question: " | npx polycom generate --model runs/book --prompt-file - --json

The exit status is 0 if every text was generated, whatever ended it, and 1 for any error.`;

async function run(options: GenerateCommandOptions): Promise<void> {
  const prompts = promptsOf(options).flatMap((prompt) => new Array<string>(options.samples).fill(prompt));
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
  const { checkOptions } = await import('../generate/options.js');
  const checked = checkOptions(generateOptions(options, seed), written);
  const { chooseBackend } = await import('../tensorflow/backend.js');
  const { loadModel } = await import('../generate/load.js');
  await chooseBackend();
  const loaded = await loadModel(options.model, given({ tokenizer: options.tokenizer }));
  process.stdout.on('error', endQuietly);
  try {
    const began = performance.now();
    const texts = await generateTexts(
      loaded,
      prompts,
      { ...checked, ...borderOptions(options, loaded) },
      !options.json,
    );
    const seconds = (performance.now() - began) / 1000;
    if (options.json) process.stdout.write(`${JSON.stringify(documentOf(loaded, seed, seconds, texts))}\n`);
    if (!options.quiet) process.stderr.write(summary(loaded, seed, seconds, texts));
  } finally {
    loaded.model.dispose();
  }
}

/** Whoever reads the text may have had enough of it: `| head`. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
}

async function generateTexts(
  { model, tokenizer }: LoadedModel,
  prompts: readonly string[],
  options: GenerateOptions,
  shows: boolean,
): Promise<Text[]> {
  const { generate } = await import('../generate/generate.js');
  const texts = prompts.map((prompt): Text => ({ prompt, text: '', count: 0, reason: 'tokens' }));
  const printer = new TextPrinter(
    texts.length,
    shows ? (text) => process.stdout.write(text) : () => undefined,
  );
  for await (const { row, token, text, reason } of generate(model, tokenizer, prompts, options)) {
    const into = texts[row]!;
    into.text += text;
    if (token !== undefined) ++into.count;
    if (reason !== undefined) into.reason = reason;
    printer.add(row, text, reason !== undefined);
  }
  return texts;
}

function documentOf(
  { folder, step }: LoadedModel,
  seed: number,
  seconds: number,
  texts: readonly Text[],
): object {
  const tokens = countOf(texts);
  return {
    schema: 1,
    model: folder,
    step,
    seed,
    tokens,
    seconds: Number(seconds.toFixed(3)),
    tok_per_s: Number((tokens / seconds).toPrecision(4)),
    texts: texts.map(({ prompt, text, count, reason }, i) => {
      return { prompt, text, tokens: count, reason, seed: seed + i };
    }),
  };
}

function summary({ model }: LoadedModel, seed: number, seconds: number, texts: readonly Text[]): string {
  const count = countOf(texts);
  const speed = `${count} tokens in ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(0)} a second; seed ${seed}`;
  const reasons = new Set(texts.map(({ reason }) => reason));
  const full = `the context of ${model.config.context} tokens is full: --slide goes on`;
  const why = {
    tokens: 'as many as --tokens allows',
    stop: 'stopped before a --stop text',
    end: 'the model ended it',
    context: full,
  };
  return `polycom: ${[speed, ...Array.from(reasons, (reason) => why[reason])].join('; ')}\n`;
}

function countOf(texts: readonly Text[]): number {
  return texts.reduce((sum, { count }) => sum + count, 0);
}

function generateOptions(options: GenerateCommandOptions, seed: number): GenerateOptions {
  const { tokens, temperature, topK, topP, repetitionPenalty, stop, slide } = options;
  const overflow = slide ? 'slide' : 'stop';
  return given({ tokens, temperature, topK, topP, repetitionPenalty, stop, seed, overflow } as const);
}

/** The tokens between texts, as the model has them. */
function borderOptions({ ignoreEnd }: GenerateCommandOptions, { begin, ends }: LoadedModel): GenerateOptions {
  return given({ begin, ends: ignoreEnd ? [] : ends });
}

function promptsOf({ prompt, promptFile }: GenerateCommandOptions): string[] {
  if (promptFile === undefined) return prompt ?? [''];
  try {
    const isInput = promptFile === '-';
    const decoder = new Utf8Decoder({ name: isInput ? 'the prompt on standard input' : promptFile });
    let text = '';
    for (const chunk of chunksSync(isInput ? 0 : promptFile)) text += decoder.push(chunk);
    return [text + decoder.end()];
  } catch (cause) {
    if (cause instanceof PolycomError) throw cause;
    const why = (cause as Error).message;
    throw new PolycomError('FILE_ERROR', `the prompt cannot be read from ${promptFile}: ${why}`, { cause });
  }
}
