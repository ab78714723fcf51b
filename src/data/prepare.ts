import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { invalidArgument } from '../common/errors.js';
import { belowOne, checkField, whole } from '../common/fields.js';
import { fileError } from '../common/file-error.js';
import { sayOnce } from '../common/notice.js';
import { given } from '../common/objects.js';
import { checkNames, type Names } from '../common/options.js';
import { isIntact, readStored, store } from '../common/store.js';
import { dataDefaults } from './defaults.js';
import { documentsOf } from './documents.js';
import { findInputs, type Inputs } from './inputs.js';
import { marksShown } from './marks.js';
import { isShardsFolder, type ShardsAbout, type ShardsManifest, type Side } from './shards.js';
import { cutNear, HeldOutSplit } from './split.js';
import type { Tokenizer } from './tokenizer.js';
import { bitsOf, type Shard, ShardWriter } from './writer.js';

/** How text becomes shards: without them as `dataDefaults` says. */
export interface PrepareOptions {
  readonly tokenizer: Tokenizer;
  /** The share of the text that is held out of training. */
  readonly heldOut?: number;
  /** The field of JSON lines that has the text. */
  readonly field?: string;
  /** A mark at which texts are split into documents, and which is left out; by default each text is one document. */
  readonly splitAt?: string;
  /** Most tokens of a shard. */
  readonly shardTokens?: number;
  /** Is told, now and then, how many of how many bytes have been read. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The names of {@link PrepareOptions}. */
export const PREPARE_OPTIONS: Names<PrepareOptions> = {
  tokenizer: true,
  heldOut: true,
  field: true,
  shardTokens: true,
  splitAt: true,
  onProgress: true,
};

/** The files that such a folder has. */
const OURS = /^(manifest|tokenizer|tokenizer_config)\.json$|^(train|heldout)-\d+\.bin$/;

/**
 * Makes a folder of token shards of text files, folders and JSON lines: `train-*.bin`, `heldout-*.bin`, the
 * tokenizer, and `manifest.json` with sizes and checksums. Each document ends with the tokenizer's end-of-text token. Text
 * is streamed, so neither text nor tokens need fit memory. The folder is filled aside and renamed: a killed run leaves
 * no half folder. One that already holds the same, by its inputs' sizes and times and by its own checksums, is kept;
 * an older or damaged one is replaced; a folder that holds anything else is not touched.
 *
 * @param inputs paths; see {@link findInputs}
 * @param folder the folder to make
 * @throws {PolycomError} `INVALID_ARGUMENT` where an input cannot be read as text, or nothing is in it; `FILE_ERROR`
 *   where the system refuses to write
 */
export async function prepareShards(
  inputs: string | readonly string[],
  folder: string,
  options: PrepareOptions,
): Promise<ShardsManifest> {
  const out = resolve(folder);
  const settings = checkOptions(options);
  const found = await findInputs(typeof inputs === 'string' ? [inputs] : inputs);
  await checkFolder(out);
  const known = await readStored<ShardsAbout>(out);
  const isCurrent = (about: ShardsAbout): boolean => isSame(about, found, settings);
  const stands = known !== undefined && isCurrent(known.about);
  const isWhole = stands && (await isIntact(out, known));
  const manifest = isWhole
    ? known
    : await store(out, (aside) => fill(aside, found, settings), stands ? () => false : isCurrent);
  sayWhereJoined(manifest.about, settings.tokenizer);
  return manifest;
}

/** Says once that nothing stands between documents, where nothing can. */
export function sayWhereJoined({ documents }: ShardsAbout, { name, endOfText, marks }: Tokenizer): void {
  if (endOfText !== undefined || documents < 2) return;
  const which = marks === undefined || marks.length === 0 ? '' : `: ${marksShown(marks)}`;
  sayOnce(
    `${documents.toLocaleString('en-US')} documents are joined without a border, as tokenizer ${name} names no token that ends a text; --end-of-text <token> of train and prepare does${which}`,
    'joined documents',
  );
}

type Settings = Required<Omit<PrepareOptions, Optional>> & Pick<PrepareOptions, Optional>;
type Optional = 'onProgress' | 'splitAt';

function checkOptions(options: PrepareOptions): Settings {
  checkNames('prepareShards', options, PREPARE_OPTIONS);
  const { heldOut, field, shardTokens } = dataDefaults;
  const settings = { heldOut, field, shardTokens, ...given(options) };
  checkField('prepareShards', 'heldOut', settings.heldOut, belowOne);
  checkField('prepareShards', 'shardTokens', settings.shardTokens, whole(1));
  if (settings.splitAt !== '' && !settings.splitAt?.includes('\n')) return settings;
  throw invalidArgument('the mark to split at is empty, or has a line break', {
    remedy: 'name what stands between documents, such as <|endoftext|>',
  });
}

/** Nothing that this function has not made may be lost. */
async function checkFolder(out: string): Promise<void> {
  const names = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw fileError(out, 'write', error);
  });
  if (names.length === 0 || (isShardsFolder(out) && names.every((name) => OURS.test(name)))) return;
  throw invalidArgument(`${out} is not empty, and holds other things than token shards`, {
    remedy: 'name a folder that is new, empty, or made by polycom prepare',
  });
}

/** Whether a folder was made of these inputs with these settings. */
function isSame(about: ShardsAbout, { files }: Inputs, { tokenizer, heldOut, field }: Settings): boolean {
  const made = [about.version, about.tokenizer?.name, about.share, about.field, about.inputs];
  return isDeepStrictEqual(made, [1, tokenizer.name, heldOut, field, files]);
}

async function fill(folder: string, { files, ignored }: Inputs, settings: Settings): Promise<ShardsAbout> {
  const { tokenizer, heldOut, field, splitAt, shardTokens, onProgress } = settings;
  const { name, vocabulary, endOfText } = tokenizer;
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const split = new HeldOutSplit(heldOut, total);
  const writers = {
    train: new ShardWriter(folder, 'train', tokenizer, shardTokens),
    heldout: new ShardWriter(folder, 'heldout', tokenizer, shardTokens),
  };
  let [documents, done] = [0, 0];
  try {
    for (const file of files) {
      for await (const { size, pieces } of documentsOf(file, field, splitAt)) {
        await writeDocument(size, pieces, split, writers, (bytes) => {
          done += bytes;
          onProgress?.(Math.min(done, total), total);
        });
        ++documents;
      }
    }
    const sides = {
      train: describe(await writers.train.close()),
      heldout: describe(await writers.heldout.close()),
    };
    checkSides(sides, heldOut);
    await tokenizer.save?.(folder);
    return {
      kind: 'polycom tokens',
      version: 1,
      tokenizer: given({ name, vocabulary, endOfText }),
      bits: bitsOf(vocabulary),
      share: heldOut,
      field,
      ...given({ splitAt }),
      inputs: files,
      ignored,
      documents,
      sides,
    };
  } finally {
    await writers.train.abandon();
    await writers.heldout.abandon();
  }
}

async function writeDocument(
  size: number,
  pieces: AsyncIterable<string>,
  split: HeldOutSplit,
  writers: Readonly<Record<Side, ShardWriter>>,
  onPiece: (bytes: number) => void,
): Promise<void> {
  const part = split.next(size);
  let side: Side = part === 'heldout' ? 'heldout' : 'train';
  const cut = typeof part === 'string' ? Number.POSITIVE_INFINITY : part.tailFrom;
  let read = 0;
  for await (const piece of pieces) {
    const bytes = Buffer.byteLength(piece);
    onPiece(bytes);
    if (side === 'heldout' || read + bytes <= cut) await writers[side].write(piece);
    else {
      const scale = piece.length / bytes;
      const at = cutNear(piece, Math.floor((cut - read) * scale), ((size - cut) / 2) * scale);
      await writers.train.write(piece.slice(0, at));
      await writers.train.endText();
      side = 'heldout';
      await writers.heldout.write(piece.slice(at));
    }
    read += bytes;
  }
  await writers[side].endText();
}

function describe(shards: readonly Shard[]): { tokens: number; shards: readonly Shard[] } {
  return { tokens: shards.reduce((sum, { tokens }) => sum + tokens, 0), shards };
}

function checkSides(sides: ShardsAbout['sides'], heldOut: number): void {
  if (sides.train.tokens === 0) {
    throw invalidArgument('the inputs have no text', {
      remedy: 'check the files, and the field of JSON lines that has the text',
    });
  }
  if (sides.heldout.tokens > 0 || heldOut === 0) return;
  throw invalidArgument(`a share of ${heldOut} of so little text holds nothing out`, {
    remedy: 'give more text, a larger --held-out, or 0 to hold nothing out',
  });
}
