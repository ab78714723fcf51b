import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PolycomError } from '../errors.js';
import type { CompareDocument, Experiment, ExperimentName } from '../paper/types.js';
import { whole } from './options.js';
import { writeFile } from './output.js';
import { quoted } from './shell.js';
import { StopSignals } from './stop-signals.js';

interface CompareCommandOptions {
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

/** Adds `compare`: the paper's experiments. */
export function registerCompare(program: Command): void {
  program
    .command('compare')
    .description("the paper's experiments at a size that fits: activations at equal parameters and tokens")
    .option('--quick', 'in ten minutes on two cores: short for --scale quick')
    .addOption(
      new Option('--scale <name>', 'how large (default: laptop)').choices(['quick', 'laptop', 'gpu']),
    )
    .option(
      '--only <list>',
      'such as sweep,dense; of sweep, dense, moe, ablation, scaling, theory, cost',
      listOf,
    )
    .option('--data <path>', 'a text to train on beside the synthetic language: a file, or what prepare made')
    .option('--out <folder>', 'of the runs', join('runs', 'compare'))
    .option('--workers <count>', 'processes at once (default: one for each CPU)', whole(1))
    .option('--json <file>', 'of the document (default: compare.json in --out)')
    .option('--report <file>', 'write a page of HTML there that shows it all')
    .option('--plan', 'show what would be trained, and train nothing')
    .option('--quiet', 'show no progress')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
  npx polycom compare --quick
  npx polycom compare --data shakespeare.txt
  npx polycom compare --scale gpu --data tokens --only sweep,dense

Every run has a folder in --out, named by all that decides its losses. A finished one is never repeated: after a Ctrl-C, or a
kill at any moment, the same command goes on. Each worker has one thread, so that the losses are the same bit for bit whatever
--workers. The learning rate of each activation is swept first, with a seed that no other run has; without 'sweep' in --only
the rates of an earlier sweep in --out are taken, else the scale's default. Ctrl-C, SIGTERM, SIGHUP, SIGUSR1,
SIGUSR2 and SIGXCPU save what is in hand; the exit status is then 128 and the signal's number, such as 130.
`.trimEnd();

async function run(options: CompareCommandOptions): Promise<void> {
  const { checkFailures, checkNames, compare, partNames } = await import('../paper/compare.js');
  const { experimentNames } = await import('../paper/experiments.js');
  const { scaleNamed } = await import('../paper/scales.js');
  const scale = scaleNamed(scaleOf(options));
  const only = checkNames(options.only ?? [...experimentNames, ...partNames]);
  if (options.plan)
    return await showPlan(
      options,
      experimentNames.filter((name) => only.includes(name)),
    );
  const { compareProgress } = await import('./compare-progress.js');
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
    writeFile(file, `${JSON.stringify(document)}\n`);
    if (options.report !== undefined) await writeReport(document, options.report);
    const { comparisonTable } = await import('../paper/table.js');
    process.stdout.write(`${comparisonTable(document)}\nwritten: ${file}\n`);
    checkFailures(failures);
  } finally {
    stop.end();
  }
}

async function writeReport(document: CompareDocument, file: string): Promise<void> {
  const { loadCharts } = await import('../report/charts.js');
  const { paperReport } = await import('../report/paper.js');
  const { theory, cost } = document;
  const parts = { ...(theory === undefined ? {} : { theory }), ...(cost === undefined ? {} : { cost }) };
  writeFile(file, paperReport({ document, ...parts }, await loadCharts()));
}

function scaleOf({ quick, scale }: CompareCommandOptions): string {
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

/** The command as it can be given again, without folders that are this machine's. */
function commandOf({ quick, scale, only, data }: CompareCommandOptions): string {
  const parts = [
    ...(quick ? ['--quick'] : []),
    ...(scale === undefined ? [] : [`--scale ${scale}`]),
    ...(only === undefined ? [] : [`--only ${only.join()}`]),
    ...(data === undefined ? [] : [`--data ${quoted(data.split(/[\\/]/).at(-1)!)}`]),
  ];
  return ['npx polycom compare', ...parts].join(' ');
}

async function showPlan(options: CompareCommandOptions, only: readonly ExperimentName[]): Promise<void> {
  const { planAll } = await import('../paper/compare.js');
  const { workOf } = await import('../paper/grid.js');
  const { describeText, idOf, syntheticData } = await import('../paper/specs.js');
  const { scaleNamed } = await import('../paper/scales.js');
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
