import { createHash } from 'node:crypto';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import * as tf from '@tensorflow/tfjs';
import { Command, Option } from 'commander';
import { compareDocuments, formatComparison } from '../../src/bench/compare.js';
import { readDocument } from '../../src/bench/document.js';
import { readAnyDocument } from '../../src/bench/models/document.js';
import { loadCheckpoint, saveCheckpoint } from '../../src/checkpoint/folder.js';
import { exportHuggingFace, importHuggingFace } from '../../src/checkpoint/huggingface.js';
import { openSafetensors, writeSafetensors } from '../../src/checkpoint/safetensors.js';
import { openWeights } from '../../src/checkpoint/shards.js';
import { configFileOption, readConfigFile } from '../../src/cli/config-file.js';
import { collect, wholeArgument } from '../../src/cli/options.js';
import { byteTokenizer } from '../../src/data/bytes.js';
import { loadTokenizer } from '../../src/data/load-tokenizer.js';
import { openData } from '../../src/data/open.js';
import { prepareShards } from '../../src/data/prepare.js';
import { loadModel } from '../../src/generate/load.js';
import { configOf } from '../../src/model/presets.js';
import { loadCharts } from '../../src/report/charts.js';
import { formatReport } from '../../src/report/html.js';
import { RunLog } from '../../src/train/log.js';
import { documentOf, everyKind } from '../bench/rows.js';
import { parametersOf } from '../checkpoint/parameters.js';
import { bpeJson } from '../data/bpe.js';

/** Something that reads files from outside. */
export interface Loader {
  readonly name: string;
  /** Makes a folder that it reads. */
  make(folder: string): Promise<void>;
  /** Reads it, and uses what it got: what comes is compared where `guarded`. */
  load(folder: string): Promise<unknown>;
  /** The files that are damaged. */
  readonly files: readonly string[];
  /** Makes the sums of a damaged folder right, so that what lies behind them is reached. */
  mend?(folder: string): void;
  /** Whether a damaged file is refused, or gives what the whole one gives: where it has sums that are not mended. */
  readonly guarded?: boolean;
}

const CONFIG = configOf('tiny', {
  ...{ width: 16, layers: 2, heads: 2, kvHeads: 1, headWidth: 8, hidden: 16, context: 64, vocabulary: 266 },
  activation: 'polynorm',
});
const LLAMA = configOf('tiny', { ...CONFIG, activation: 'swiglu' });
const MIXTURE = configOf('tiny-moe', { ...CONFIG, experts: configOf('tiny-moe').experts!, layers: 1 });
const STEP = 'step-00000001';
const SUM = ',\n  "crc32": ';
const MEASURED = fileURLToPath(new URL('../../bench/results', import.meta.url));
const charts = await loadCharts();

async function makeExport(folder: string, config: typeof CONFIG): Promise<void> {
  await exportHuggingFace(parametersOf(config), config, folder, { endOfText: 256 });
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(bpeJson()));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<|endoftext|>' }));
  writeFileSync(
    join(folder, 'generation_config.json'),
    JSON.stringify({ eos_token_id: [256], max_length: 20 }),
  );
}

/** Reads a model, and its text by it. */
async function readModel(folder: string): Promise<number[]> {
  const { model, tokenizer } = await loadModel(folder);
  try {
    const ids = [...tokenizer.encode('the in')].slice(0, 3);
    tokenizer.decode(ids);
    return tf.tidy(() => [...model.logits(tf.tensor2d([ids], undefined, 'int32')).dataSync()].slice(0, 9));
  } finally {
    model.dispose();
  }
}

/** An export whose weights lie in two files. */
async function makeShards(folder: string): Promise<void> {
  await makeExport(folder, LLAMA);
  const all = [...parametersOf(LLAMA)].map(([name, tensor]) => [name, { dtype: 'F32', ...tensor }] as const);
  const halves = [all.slice(0, 9), all.slice(9)];
  const weight_map: Record<string, string> = {};
  for (const [i, half] of halves.entries()) {
    await writeSafetensors(join(folder, `half-${i}.safetensors`), half);
    for (const [name] of half) weight_map[name] = `half-${i}.safetensors`;
  }
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map }));
  rmSync(join(folder, 'model.safetensors'));
}

async function makeRun(folder: string): Promise<void> {
  const optimizer = new Map([['m', { shape: [3], data: Float32Array.of(1, 2, 3) }]]);
  const state = { seed: 7, position: { epoch: 1, window: 12 } };
  await saveCheckpoint(folder, 1, {
    model: parametersOf(MIXTURE),
    optimizer,
    state,
    config: MIXTURE as never,
  });
  await byteTokenizer.save!(folder);
}

async function readRun(folder: string): Promise<unknown> {
  const { model, optimizer, state, config } = await loadCheckpoint(join(folder, STEP));
  const digest = createHash('sha256');
  for (const [name, { data }] of [...model, ...optimizer]) digest.update(name).update(data);
  return { digest: digest.digest('hex'), state: short(state), config: short(config) };
}

/** As JSON, where it is not too deep for that. */
function short(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '';
  }
}

/** Makes state.json say what its files are, and what it is itself. */
function mendRun(folder: string): void {
  const path = join(folder, STEP, 'state.json');
  const text = readFileSync(path, 'utf8');
  const end = text.lastIndexOf(SUM);
  let body = end < 0 ? text.replace(/\}\s*$/, '') : text.slice(0, end);
  for (const name of ['model.safetensors', 'optimizer.safetensors', 'config.json']) {
    const content = readFileSync(join(folder, STEP, name));
    const sum = `"bytes": ${content.length},\n      "crc32": ${crc32(content)}`;
    body = body.replace(new RegExp(`("${name}": \\{\\s*)"bytes": \\d+,\\s*"crc32": \\d+`), `$1${sum}`);
  }
  writeFileSync(path, `${body}${SUM}${crc32(body)}\n}\n`);
}

async function readTokens(folder: string): Promise<number> {
  const { train, heldOut, tokenizer, close } = await openData(folder);
  try {
    const into = new Int32Array(Math.min(100, train.length, heldOut.length));
    train.read(train.length - into.length, into);
    heldOut.read(0, into);
    return tokenizer.decode(into).length;
  } finally {
    close();
  }
}

function commandOf(): Command {
  return new Command('fuzz')
    .option('--steps <count>', '', wholeArgument(1))
    .option('--data <path...>', '')
    .option('--quiet', '')
    .addOption(new Option('--set <field=value>', '').argParser(collect))
    .addOption(new Option('--backend <name>', '').choices(['tensorflow', 'cpu']))
    .addOption(configFileOption());
}

const OF_EXPORT = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'];
const OF_RUN = ['state.json', 'config.json', 'model.safetensors', 'optimizer.safetensors'];
const run = { make: makeRun, files: OF_RUN.map((name) => join(STEP, name)) };

export const loaders: readonly Loader[] = [
  {
    name: 'loadModel',
    make: (at) => makeExport(at, LLAMA),
    load: readModel,
    files: [...OF_EXPORT, 'model.safetensors'],
  },
  {
    name: 'loadModel of ours',
    make: (at) => makeExport(at, CONFIG),
    load: readModel,
    files: ['config.json'],
  },
  {
    name: 'importHuggingFace',
    make: makeShards,
    load: async (folder) => {
      const { readAll, close } = await importHuggingFace(folder);
      return await readAll().finally(close);
    },
    files: ['config.json', 'model.safetensors.index.json', 'half-0.safetensors', 'half-1.safetensors'],
  },
  {
    name: 'openWeights',
    make: makeShards,
    load: async (folder) => {
      const weights = await openWeights(folder);
      try {
        for (const name of weights.names) await weights.read(name);
      } finally {
        await weights.close();
      }
    },
    files: ['model.safetensors.index.json', 'half-0.safetensors'],
  },
  {
    name: 'openSafetensors',
    make: (at) => makeExport(at, LLAMA),
    load: async (folder) => {
      const file = await openSafetensors(join(folder, 'model.safetensors'));
      try {
        for (const name of file.names) await file.readFloats(name);
      } finally {
        await file.close();
      }
    },
    files: ['model.safetensors'],
  },
  { name: 'loadCheckpoint', ...run, load: readRun, guarded: true },
  { name: 'loadCheckpoint, sums made right', ...run, load: readRun, mend: mendRun },
  { name: 'loadModel of a run, sums made right', ...run, load: readModel, mend: mendRun },
  {
    name: 'loadTokenizer',
    make: (at) => makeExport(at, LLAMA),
    load: async (folder) => {
      const tokenizer = await loadTokenizer(folder);
      return tokenizer.decode(tokenizer.encode('the cat in 3 hats\n 漢é😀'));
    },
    files: ['tokenizer.json', 'tokenizer_config.json'],
  },
  {
    name: 'openData',
    make: async (at) => {
      writeFileSync(`${at}.txt`, 'a line of it\n'.repeat(500));
      await prepareShards(`${at}.txt`, at, { tokenizer: byteTokenizer });
    },
    load: readTokens,
    files: ['manifest.json', 'manifest.json', 'train-00000.bin', 'tokenizer.json'],
  },
  {
    name: '--config',
    make: async (at) => {
      const options = {
        steps: 5,
        data: ['a', 'b'],
        quiet: true,
        set: { width: 8, experts: { count: 2 } },
        backend: 'cpu',
      };
      writeFileSync(join(at, 'options.json'), JSON.stringify(options));
    },
    load: async (folder) => readConfigFile(commandOf(), join(folder, 'options.json')),
    files: ['options.json'],
  },
  {
    name: 'bench compare, bench report',
    make: async (at) => {
      for (const name of ['a', 'b'])
        writeFileSync(join(at, `${name}.json`), JSON.stringify(documentOf(everyKind())));
    },
    load: async (folder) => {
      const [a, b] = ['a.json', 'b.json'].map((name) => readDocument(join(folder, name)));
      formatComparison(compareDocuments(a!, b!));
      return formatReport([a!], charts).length;
    },
    files: ['a.json'],
  },
  {
    name: 'bench report of models',
    make: async (at) =>
      cpSync(MEASURED, at, { recursive: true, filter: (path) => !/paper|parity|svg/.test(path) }),
    load: async (folder) => {
      const documents = ['train-cpu.json', 'generate-cpu.json'].map((name) =>
        readAnyDocument(join(folder, name)),
      );
      return formatReport(documents, charts).length;
    },
    files: ['train-cpu.json', 'generate-cpu.json'],
  },
  {
    name: 'the log of a run',
    make: async (at) => {
      const lines = [1, 2, 3, 4].map((step) => ({
        kind: 'step',
        step,
        loss: 3,
        cross_entropy: 3,
        seconds: 1,
        tokens: 9,
      }));
      writeFileSync(join(at, 'log.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    },
    load: async (folder) => {
      const log = await RunLog.open(join(folder, 'log.jsonl'), 2);
      log.close();
      return log.evaluated;
    },
    files: ['log.jsonl'],
  },
];
