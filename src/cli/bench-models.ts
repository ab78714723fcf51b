import type { Command } from 'commander';
import type { ModelBenchOptions } from '../bench/models/run.js';
import { MODEL_BENCH_DEFAULTS, type ModelDocument } from '../bench/models/types.js';
import type { PresetName } from '../model/presets.js';
import { wholeArgument } from './options.js';
import { checkWritable, writeFile } from './output.js';

interface Options {
  readonly quick?: boolean;
  readonly preset?: PresetName;
  readonly activations?: string;
  readonly batch?: number;
  readonly time?: number;
  readonly json?: string;
  readonly quiet?: boolean;
}

/** Adds `bench train` and `bench generate`: the transformer's speed by activation. */
export function registerModelBenches(bench: Command): void {
  for (const name of ['train', 'generate'] as const) {
    const { description, time, help } = TEXTS[name];
    bench
      .command(name)
      .description(description)
      .option('--quick', 'fewer rounds, and the slow variants of two activations alone')
      .option('--preset <name>', `of the model (default: ${MODEL_BENCH_DEFAULTS.preset})`)
      .option('--activations <list>', 'such as relu,polynorm, instead of the six of the comparison')
      .option('--batch <count>', 'sequences at once', wholeArgument(1))
      .option('--time <count>', time, wholeArgument(1))
      .option('--json <file>', 'write the document there, not to the last line of stdout')
      .option('--quiet', 'show no progress')
      .addHelpText('after', help)
      .action((options: Options) => run(name, options));
  }
}

const TEXTS = {
  train: {
    description: 'training steps of the transformer by activation: fused, composed, stock tfjs-node',
    time: `tokens of a sequence (default: ${MODEL_BENCH_DEFAULTS.train.time})`,
    help: `
Every model's first loss is checked against tf's own ops: a wrong one is reported as failed, never timed, and makes the
exit status 1. All models take their steps in turns. For figures that mean something, nothing else should run.`,
  },
  generate: {
    description: 'generation by activation: reading the prompt, and a token at a time',
    time: `tokens of a prompt (default: ${MODEL_BENCH_DEFAULTS.generate.time})`,
    help: `
Logits with the cache are checked against the model without one, out of tf's own ops.`,
  },
} as const;

async function run(name: 'train' | 'generate', options: Options): Promise<void> {
  const { benchGeneration, benchTraining, checkActivations } = await import('../bench/models/run.js');
  const { formatModelTable } = await import('../bench/models/table.js');
  const { progressOn } = await import('../bench/progress.js');
  const { quick = false, preset, batch, time, json, quiet } = options;
  const activations =
    options.activations === undefined ? undefined : await checkActivations(options.activations.split(','));
  if (json !== undefined) checkWritable(json);
  const progress = progressOn(process.stderr, quiet ? { quiet } : {});
  const asked: ModelBenchOptions = {
    quick,
    onStep: progress.step,
    onNotice: (line) => {
      progress.end();
      if (!quiet) process.stderr.write(`polycom: ${line}\n`);
    },
    onDocument: (document) => {
      if (json !== undefined) writeFile(json, `${JSON.stringify(document, undefined, 1)}\n`);
    },
    ...(preset === undefined ? {} : { preset }),
    ...(activations === undefined ? {} : { activations }),
    ...(batch === undefined ? {} : { batch }),
    ...(time === undefined ? {} : { time }),
  };
  const measured = name === 'train' ? benchTraining(asked) : benchGeneration(asked);
  const document = await measured.finally(progress.end);
  const color = process.stdout.isTTY && !process.env.NO_COLOR;
  const bold = (text: string): string => (color ? `\x1b[1m${text}\x1b[22m` : text);
  process.stdout.write(`${formatModelTable(document, bold)}\n`);
  if (json === undefined) process.stdout.write(`${JSON.stringify(document)}\n`);
  else writeFile(json, `${JSON.stringify(document, undefined, 1)}\n`);
  if (failed(document)) process.exitCode = 1;
}

/** Whether a result is wrong, or there is none: then stderr says why. */
export function failed({
  results,
  notes,
}: Pick<ModelDocument, 'notes'> & { readonly results: readonly { ok: boolean }[] }): boolean {
  if (results.length === 0) {
    const why = notes.length === 0 ? 'there was nothing to measure' : notes.join('; ');
    process.stderr.write(
      `polycom: nothing was measured: ${why}\n  remedy: polycom doctor says what is missing\n`,
    );
  }
  return results.length === 0 || results.some(({ ok }) => !ok);
}
