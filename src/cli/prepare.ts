import type { Command } from 'commander';
import { given } from '../common/objects.js';
import { dataDefaults } from '../data/defaults.js';
import type { ShardsAbout } from '../data/shards.js';
import { shareArgument, wholeArgument } from './options.js';

interface PrepareCommandOptions {
  readonly out: string;
  readonly tokenizer: string;
  readonly heldOut: number;
  readonly field: string;
  readonly splitAt?: string;
  readonly endOfText?: string;
  readonly shardTokens?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Adds `prepare`: text becomes token shards. */
export function registerPrepare(program: Command): void {
  program
    .command('prepare')
    .description('turn text into token shards, to train on more than fits memory')
    .argument('<inputs...>', 'text files, JSON lines (.jsonl, .ndjson), or folders of them')
    .requiredOption('--out <folder>', 'the folder to make')
    .option('--tokenizer <name|path>', "'bytes', or a tokenizer.json of Hugging Face", dataDefaults.tokenizer)
    .option('--held-out <share>', 'of the text, kept from training', shareArgument, dataDefaults.heldOut)
    .option('--field <name>', 'of each JSON line, which has the text', dataDefaults.field)
    .option('--split-at <mark>', 'that stands between documents in a text, and is left out')
    .option('--end-of-text <token>', 'of the tokenizer, where its files do not say which ends a text')
    .option(
      '--shard-tokens <count>',
      `most tokens of a file (default: ${dataDefaults.shardTokens})`,
      wholeArgument(1),
    )
    .option('--json', 'print the manifest as JSON')
    .option('--quiet', 'show no progress')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
Each file of text is one document, and so is each JSON line; --split-at '<|endoftext|>' makes one of each text between such
marks. After each document stands the tokenizer's end-of-text token, the one that its files name, or --end-of-text; without
one documents are joined, which is said. A mark of the tokenizer in a text is the token that it marks. A document that is
larger than the whole held-out share gives its own tail; of smaller ones, every so many are held out whole. In a folder,
runs, models and token shards are passed over. The folder gets train-*.bin, heldout-*.bin, the
tokenizer and manifest.json, and appears once it is whole. The same command again checks its checksums, and makes it anew
only where the inputs have changed or it is damaged.

  npx polycom prepare book.txt --out book
  npx polycom prepare corpus/ more.jsonl --tokenizer gpt2/tokenizer.json --field content --out tokens
  npx polycom prepare stories.txt --split-at '<|endoftext|>' --out stories`;

async function run(inputs: string[], options: PrepareCommandOptions): Promise<void> {
  const { out, tokenizer: name, heldOut, field, splitAt, endOfText, shardTokens, json, quiet } = options;
  const { prepareShards } = await import('../data/prepare.js');
  const { loadTokenizer } = await import('../data/load-tokenizer.js');
  const { progressOn } = await import('../bench/progress.js');
  const tokenizer = await loadTokenizer(name, given({ endOfText }));
  const progress = progressOn(process.stderr, quiet || !process.stderr.isTTY ? { quiet: true } : {});
  const manifest = await prepareShards(inputs, out, {
    ...given({ tokenizer, heldOut, field, splitAt, shardTokens }),
    onProgress: (done, total) => progress.step('reading', `${((100 * done) / total).toFixed(0)} %`),
  }).finally(progress.end);
  process.stdout.write(json ? `${JSON.stringify(manifest)}\n` : summary(out, manifest.about));
}

function summary(out: string, { sides, documents, tokenizer, ignored }: ShardsAbout): string {
  const { train, heldout } = sides;
  const files = train.shards.length + heldout.shards.length;
  const number = (value: number): string => value.toLocaleString('en-US');
  const lines = [
    `${out}: ${number(train.tokens)} tokens to train with, ${number(heldout.tokens)} held out, in ${number(files)} files`,
    `${number(documents)} documents, tokenizer ${tokenizer.name} of ${number(tokenizer.vocabulary)} tokens`,
    ...(ignored > 0 ? [`${number(ignored)} files of other kinds were not read`] : []),
  ];
  return `${lines.join('\n')}\n`;
}
