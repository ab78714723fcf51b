import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { invalidArgument, type PolycomError } from '../common/errors.js';
import { given } from '../common/objects.js';
import { checkNames, type Names } from '../common/options.js';
import { dataDefaults } from './defaults.js';
import { findInputs } from './inputs.js';
import { keptFolder, markInUse, removeEarlier } from './kept.js';
import { loadTokenizer } from './load-tokenizer.js';
import { numberTokenizer } from './numbers.js';
import { PREPARE_OPTIONS, type PrepareOptions, prepareShards, sayWhereJoined } from './prepare.js';
import { isShardsFolder, openShards, readManifest, type TokenSource } from './shards.js';
import { type SyntheticOptions, syntheticLanguage } from './synthetic.js';
import { TOKENIZER_FILE, type Tokenizer } from './tokenizer.js';

/** How data is opened. */
export interface OpenDataOptions extends Omit<PrepareOptions, 'tokenizer'> {
  /** `bytes` (the default), the path of a `tokenizer.json` or of its folder, or a tokenizer. */
  readonly tokenizer?: string | Tokenizer;
  /** The token that ends a text, where the tokenizer's files do not say, or another one; of a tokenizer that is named. */
  readonly endOfText?: string;
  /** The folder that the shards are kept in; by default, one in the user's cache for each input and settings. */
  readonly directory?: string;
  /** Of the language, where the data is `synthetic`. */
  readonly synthetic?: Omit<SyntheticOptions, 'side'>;
}

const OPTIONS: Names<OpenDataOptions> = {
  ...PREPARE_OPTIONS,
  ...{ endOfText: true, directory: true, synthetic: true },
};

/** Data to train with. Nothing of `heldOut` is in `train`. */
export interface Data {
  readonly train: TokenSource;
  /** Of length 0 where nothing is held out. */
  readonly heldOut: TokenSource;
  readonly tokenizer: Tokenizer;
  /** In nats per token; of the synthetic language only. */
  readonly entropy?: number;
  /** Where the shards are; not of the synthetic language. */
  readonly directory?: string;
  close(): void;
}

const SYNTHETIC_HELD_OUT = 2 ** 17;

/**
 * Opens data to train with: a file of text or JSON lines, or a folder of them, of which shards are prepared where
 * they are absent or older than it; a folder that `polycom prepare` made, as it is; or `synthetic`, the built-in
 * language (`./synthetic` is a file).
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where it cannot be read, is damaged, or was prepared otherwise than asked
 */
export async function openData(
  path: string | readonly string[],
  options: OpenDataOptions = {},
): Promise<Data> {
  checkNames('openData', options, OPTIONS);
  if (path === 'synthetic') return openSynthetic(options);
  if (typeof path === 'string' && looksPrepared(path)) return openPrepared(path, options);
  const tokenizer = await tokenizerOf(options.tokenizer ?? dataDefaults.tokenizer, options);
  if (options.directory === undefined) return openKept(path, tokenizer, options);
  await prepareShards(path, options.directory, prepareOptions(options, tokenizer));
  return openFolder(options.directory, tokenizer);
}

function prepareOptions(options: OpenDataOptions, tokenizer: Tokenizer): PrepareOptions {
  const { directory: _, endOfText: __, synthetic: ___, ...rest } = options;
  return { ...rest, tokenizer };
}

/** Opens the shards that the cache keeps of a text. */
async function openKept(
  path: string | readonly string[],
  tokenizer: Tokenizer,
  options: OpenDataOptions,
): Promise<Data> {
  const paths = (typeof path === 'string' ? [path] : path).map((item) => resolve(item));
  const { files } = await findInputs(typeof path === 'string' ? [path] : path);
  const folder = keptFolder([paths, tokenizer.name, options.heldOut, options.field, options.splitAt], files);
  const release = await markInUse(folder);
  try {
    await prepareShards(path, folder, prepareOptions(options, tokenizer));
    const data = openFolder(folder, tokenizer);
    await removeEarlier(folder);
    const close = (): void => {
      data.close();
      release();
    };
    return { ...data, close };
  } catch (error) {
    release();
    throw error;
  }
}

/** Whether it is a folder of shards, be they damaged: then the error should say so, not that it has no text. */
function looksPrepared(path: string): boolean {
  return isShardsFolder(path) || existsSync(join(path, 'train-00000.bin'));
}

function openSynthetic({ synthetic = {}, tokenizer }: OpenDataOptions): Data {
  if (tokenizer !== undefined) {
    throw invalidArgument('the synthetic language has its own tokenizer; expected none');
  }
  const train = syntheticLanguage(synthetic);
  const length = Math.min(SYNTHETIC_HELD_OUT, train.length);
  const heldOut = syntheticLanguage({ ...synthetic, side: 'heldout', length });
  const { entropy, vocabulary } = train;
  return { train, heldOut, tokenizer: numberTokenizer(vocabulary), entropy, close: () => undefined };
}

async function openPrepared(folder: string, options: OpenDataOptions): Promise<Data> {
  const { about } = readManifest(folder);
  const kept = existsSync(join(folder, TOKENIZER_FILE)) ? folder : undefined;
  const wanted = options.tokenizer ?? kept;
  if (wanted === undefined) {
    throw invalidArgument(`${folder} does not hold its tokenizer, ${about.tokenizer.name}`, {
      remedy: 'give the tokenizer that prepared it',
    });
  }
  const tokenizer = await tokenizerOf(wanted, options);
  const other = (how: string, expected: string, option: string): PolycomError =>
    invalidArgument(`${folder} was prepared ${how}; expected ${expected}`, {
      remedy: `leave the ${option} out, or prepare the text again with it`,
    });
  const { name, vocabulary } = about.tokenizer;
  if (tokenizer.name !== name || tokenizer.vocabulary !== vocabulary) {
    throw other(`with tokenizer ${name}`, tokenizer.name, 'tokenizer');
  }
  const { heldOut = about.share, splitAt = about.splitAt } = options;
  if (heldOut !== about.share) {
    throw other(`with a held-out share of ${about.share}`, `${heldOut}`, 'share');
  }
  if (splitAt !== about.splitAt) {
    const how = about.splitAt === undefined ? 'without splitting texts' : `split at ${about.splitAt}`;
    throw other(how, `a split at ${splitAt}`, 'mark');
  }
  sayWhereJoined(about, tokenizer);
  return openFolder(folder, tokenizer);
}

function openFolder(directory: string, tokenizer: Tokenizer): Data {
  const train = openShards(directory, 'train');
  const heldOut = openShards(directory, 'heldout');
  const close = (): void => {
    train.close();
    heldOut.close();
  };
  return { train, heldOut, tokenizer, directory, close };
}

async function tokenizerOf(
  tokenizer: string | Tokenizer,
  { endOfText }: OpenDataOptions,
): Promise<Tokenizer> {
  if (typeof tokenizer !== 'string') return tokenizer;
  return loadTokenizer(tokenizer, given({ endOfText }));
}
