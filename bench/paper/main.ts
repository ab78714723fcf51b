/**
 * The paper's experiments: `npm run paper -- --help` tells the options. Ends with 0, with 1 and one line for an error,
 * or with 128 and the number of the signal that stopped it.
 */
import './no-debugger.js';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { PolycomError } from 'polycom';
import { StopSignals } from 'polycom/train';
import { explain } from './command-error.js';
import { writeText } from './files.js';
import type { CompareDocument, Experiment, ExperimentName } from './types.js';

interface PaperOptions {
  readonly quick?: boolean;
  readonly scale?: string;
  readonly only?: readonly string[];
  readonly data?: string;
  readonly out: string;
  readonly workers?: number;
  readonly json?: string;
  readonly report?: string;
  readonly plan?: boolean;
  readonly quiet?: boolean;
}

const HELP = `
  npm run paper -- --quick
  npm run paper -- --data shakespeare.txt
  npm run paper -- --scale gpu --data tokens --only sweep,dense

Every run has a folder in --out, named by all that decides its losses. A
finished one is never repeated: after a Ctrl-C, or a kill at any moment, the
same command goes on. Each worker has one thread, so that the losses are the
same bit for bit whatever --workers. The learning rate of each activation is
swept first, with a seed that no other run has; without 'sweep' in --only the
rates of an earlier sweep in --out are taken, else the scale's default. Ctrl-C,
SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU save what is in hand; the exit
status is then 128 and the signal's number, such as 130.
`.trimEnd();

const command = new Command('paper')
  .usage('-- [options]')
  .name('npm run paper')
  .description("the paper's experiments at a size that fits: activations at equal parameters and tokens")
  .option('--quick', 'in three minutes on two cores: short for --scale quick')
  .addOption(new Option('--scale <name>', 'how large (default: laptop)').choices(['quick', 'laptop', 'gpu']))
  .option(
    '--only <list>',
    'such as sweep,dense; of sweep, dense, moe, ablation, scaling, theory, cost',
    listOf,
  )
  .option('--data <path>', 'a text to train on beside the synthetic language: a file, or what prepare made')
  .option('--out <folder>', 'of the runs', join('runs', 'compare'))
  .option('--workers <count>', 'processes at once (default: one for each CPU)', positive)
  .option('--json <file>', 'of the document (default: compare.json in --out)')
  .option('--report <file>', 'write a page of HTML there that shows it all')
  .option('--plan', 'show what would be trained, and train nothing')
  .option('--quiet', 'show no progress')
  .addHelpText('after', HELP)
  .showHelpAfterError()
  .action(run);

try {
  await command.parseAsync();
} catch (error) {
  if (!(error instanceof PolycomError)) throw error;
  process.stderr.write(`polycom: ${explain(error, command)}\n`);
  process.exitCode = 1;
}

async function run(options: PaperOptions): Promise<void> {
  const { checkFailures, checkNames, compare, partNames } = await import('./run/compare.js');
  const { experimentNames } = await import('./plan/experiments.js');
  const { scaleNamed } = await import('./plan/scales.js');
  const scale = scaleNamed(scaleOf(options));
  const only = checkNames(options.only ?? [...experimentNames, ...partNames]);
  if (options.plan)
    return await showPlan(
      options,
      experimentNames.filter((name) => only.includes(name)),
    );
  const { compareProgress } = await import('./progress.js');
  const { data: text, out, workers, quiet = false } = options;
  const stop = new StopSignals('the runs in hand are saved, and the same command goes on');
  const progress = compareProgress(process.stderr, quiet);
  try {
    const { document, failures, interrupted } = await compare({
      scale,
      only,
      out,
      command: commandOf(options),
      signal: stop.signal,
      onProgress: progress.show,
      onPart: progress.part,
      ...(text === undefined ? {} : { text }),
      ...(workers === undefined ? {} : { workers }),
    }).finally(progress.end);
    if (interrupted) {
      process.stdout.write(`${document.notes.join('; ')}; the same command goes on\n`);
      process.exitCode = stop.exitCode;
      return;
    }
    const file = options.json ?? join(out, 'compare.json');
    await writeText(file, `${JSON.stringify(document)}\n`);
    if (options.report !== undefined) await writeReport(document, options.report);
    const { comparisonTable } = await import('./judge/table.js');
    process.stdout.write(`${comparisonTable(document)}\nwritten: ${file}\n`);
    checkFailures(failures);
  } finally {
    stop.end();
  }
}

async function writeReport(document: CompareDocument, file: string): Promise<void> {
  const { loadCharts } = await import('polycom/report');
  const { paperReport } = await import('./report/index.js');
  const { theory, cost } = document;
  const parts = { ...(theory === undefined ? {} : { theory }), ...(cost === undefined ? {} : { cost }) };
  await writeText(file, paperReport({ document, ...parts }, await loadCharts()));
}

function scaleOf({ quick, scale }: PaperOptions): string {
  if (quick && scale !== undefined && scale !== 'quick') {
    throw new PolycomError('INVALID_ARGUMENT', `--quick and --scale ${scale}; expected one of them`);
  }
  return quick ? 'quick' : (scale ?? 'laptop');
}

function listOf(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return names;
  throw new InvalidArgumentError('expected names with commas between them.');
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a whole number from 1 on.');
}

/** The command as it can be given again, without folders that are this machine's. */
function commandOf({ quick, scale, only, data }: PaperOptions): string {
  const parts = [
    ...(quick ? ['--quick'] : []),
    ...(scale === undefined ? [] : [`--scale ${scale}`]),
    ...(only === undefined ? [] : [`--only ${only.join()}`]),
    ...(data === undefined ? [] : [`--data ${quoted(data.split(/[\\/]/).at(-1)!)}`]),
  ];
  return parts.length === 0 ? 'npm run paper' : ['npm run paper --', ...parts].join(' ');
}

/** A word of a command that is printed to be given again: in quotes where a shell would read it otherwise. */
function quoted(word: string): string {
  return /^[\w@%+:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

async function showPlan(options: PaperOptions, only: readonly ExperimentName[]): Promise<void> {
  const { planAll } = await import('./run/compare.js');
  const { workOf } = await import('./run/grid.js');
  const { describeText, idOf, syntheticData } = await import('./plan/specs.js');
  const { scaleNamed } = await import('./plan/scales.js');
  const scale = scaleNamed(scaleOf(options));
  const text = options.data === undefined ? [] : [await describeText(options.data)];
  const experiments = planAll(scale, [...text, syntheticData({ length: scale.synthetic })], only);
  const seen = new Set<string>();
  const line = ({ name, runs }: Experiment): string => {
    const fresh = runs.filter(({ spec }) => {
      const isNew = !seen.has(idOf(spec));
      seen.add(idOf(spec));
      return isNew;
    });
    const tokens = fresh.reduce((sum, { spec: { settings } }) => {
      return sum + settings.steps * settings.batch * settings.time;
    }, 0);
    const work = fresh.reduce((sum, { spec }) => sum + workOf(spec), 0);
    const parts = [`${fresh.length} runs beside those above`, `${millions(tokens)} M tokens`];
    return `${name}: ${parts.join(', ')}, ${(work / 1e12).toFixed(1)} TFLOP`;
  };
  process.stdout.write(`${experiments.map(line).join('\n')}\n`);
}

function millions(value: number): string {
  return (value / 1e6).toFixed(1);
}
