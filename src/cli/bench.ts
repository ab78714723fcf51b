import { type Command, Option } from 'commander';
import { PolycomError } from '../common/errors.js';
import type { Device, Dtype } from '../native/types.js';
import { failed, registerModelBenches } from './bench-models.js';
import { percentArgument } from './options.js';
import { checkWritable, writeFile } from './output.js';

interface ActivationsOptions {
  readonly quick?: boolean;
  readonly backend: 'native' | 'tensorflow' | 'all';
  readonly device: Device | 'all';
  readonly dtype?: string;
  readonly shapes?: string;
  readonly json?: string;
  readonly report?: string;
  readonly quiet?: boolean;
}

interface CompareOptions {
  readonly failOver?: number;
}

const DTYPES: readonly string[] = ['f32', 'f16', 'bf16'] satisfies Dtype[];

/** Adds `bench`: measure this package, and compare and show what was measured. */
export function registerBench(program: Command): void {
  const bench = program.command('bench').description('measure, compare and show');
  bench
    .command('activations')
    .description(
      'the fused activations against stock ops, their compositions, a copy, and the fastest streams',
    )
    .option('--quick', 'two large shapes and a small one, in about three minutes')
    .addOption(
      new Option('--backend <name>', 'kernels driven directly, ops inside tfjs-node, or both')
        .choices(['native', 'tensorflow', 'all'])
        .default('all'),
    )
    .addOption(
      new Option('--device <name>', 'where they run: all are the CPU, and a GPU where one can be used')
        .choices(['cpu', 'cuda', 'all'])
        .default('all'),
    )
    .option(
      '--dtype <list>',
      `of kernels driven directly: ${DTYPES.join(',')} (default: f32 on the CPU, all on a GPU)`,
    )
    .option('--shapes <list>', 'rows x columns, such as 2048x5632,4096x8256, instead of the usual ones')
    .option('--json <file>', 'write the document there, not to the last line of stdout')
    .option('--report <file>', 'write a report there, as HTML (needs @observablehq/plot and linkedom)')
    .option('--quiet', 'show no progress')
    .addHelpText('after', HELP)
    .action(activations);
  registerModelBenches(bench);
  bench
    .command('compare')
    .description('compare what two runs measured')
    .argument('<a.json>', 'the run before')
    .argument('<b.json>', 'the run after')
    .addOption(
      new Option(
        '--fail-over <percent>',
        'exit with 1 where anything is that much slower, and say what',
      ).argParser(percentArgument),
    )
    .addHelpText('after', COMPARE_HELP)
    .action(compare);
  bench
    .command('report')
    .description('write one report of documents that were measured before')
    .argument('<files...>', "the documents' .json or a folder of them, then the report's .html")
    .action(report);
}

const HELP = `
Every result is checked against an f64 reference first: a wrong one is reported as failed, never timed, and makes
the exit status 1, as does a run that measured nothing. A part whose library is missing is left out, with a note. For
figures that mean something, nothing else should run meanwhile. A GPU's times are those of its own clock; what a call
takes of the host stands beside them. Rows of the tests' emulated GPU are called emulated: their times say nothing.`;

const COMPARE_HELP = `
b/a is the ratio of the median times: above 1 is slower. Noise is the wider of the two spreads from p20 to p80 over the
median. A row is slower where the spreads do not meet; with --fail-over, also only where b/a is beyond it.`;

async function activations(options: ActivationsOptions): Promise<void> {
  const { quick, backend, device, json, report: reportFile, quiet } = options;
  const { parseShapes } = await import('../bench/shapes.js');
  const { benchActivations } = await import('../bench/run.js');
  const { progressOn } = await import('../bench/progress.js');
  const { formatTable } = await import('../bench/table.js');
  const shapes = options.shapes === undefined ? undefined : parseShapes(options.shapes);
  const dtypes = options.dtype === undefined ? undefined : parseDtypes(options.dtype);
  for (const file of [json, reportFile]) if (file !== undefined) checkWritable(file);
  const writeReport = reportFile === undefined ? undefined : await reportWriter();
  const progress = progressOn(process.stderr, quiet ? { quiet } : {});
  const document = await benchActivations({
    quick: quick ?? false,
    backend,
    device,
    ...(dtypes === undefined ? {} : { dtypes }),
    shapes,
    onStep: progress.step,
  }).finally(progress.end);
  const color = process.stdout.isTTY && !process.env.NO_COLOR;
  process.stdout.write(`${formatTable(document, (text) => (color ? `\x1b[1m${text}\x1b[22m` : text))}\n`);
  if (json !== undefined) writeFile(json, `${JSON.stringify(document, undefined, 1)}\n`);
  else process.stdout.write(`${JSON.stringify(document)}\n`);
  if (reportFile !== undefined) writeFile(reportFile, writeReport!([document]));
  if (failed(document)) process.exitCode = 1;
}

async function compare(before: string, after: string, { failOver }: CompareOptions): Promise<void> {
  const { readDocument } = await import('../bench/document.js');
  const { compareDocuments, formatComparison, formatWorse, worseThan } = await import('../bench/compare.js');
  const comparison = compareDocuments(readDocument(before), readDocument(after));
  process.stdout.write(formatComparison(comparison));
  if (failOver === undefined) return;
  if (comparison.changes.length === 0) {
    throw new PolycomError('INVALID_ARGUMENT', 'the two files have no measurement in common', {
      remedy: 'compare two runs of the same command',
    });
  }
  const worse = worseThan(comparison, failOver);
  process.stderr.write(formatWorse(worse, failOver));
  if (worse.length > 0) process.exitCode = 1;
}

async function report(files: string[]): Promise<void> {
  const { readDocuments } = await import('../bench/models/document.js');
  const reportFile = files.at(-1)!;
  if (files.length < 2 || !/\.html?$/.test(reportFile)) {
    throw new PolycomError(
      'INVALID_ARGUMENT',
      `the last file is ${reportFile}; expected documents, then a .html`,
      {
        remedy: 'polycom bench report activations.json train.json report.html',
      },
    );
  }
  const documents = files.slice(0, -1).flatMap(readDocuments);
  writeFile(reportFile, (await reportWriter())(documents));
}

/** Loaded before anything is measured, so that a missing chart library costs no run. */
async function reportWriter() {
  const { loadCharts } = await import('../report/charts.js');
  const { formatReport } = await import('../report/html.js');
  const charts = await loadCharts();
  return (documents: Parameters<typeof formatReport>[0]) => formatReport(documents, charts);
}

function parseDtypes(text: string): Dtype[] {
  return text.split(',').map((name) => {
    if (DTYPES.includes(name)) return name as Dtype;
    throw new PolycomError('INVALID_ARGUMENT', `dtype '${name}'; expected some of ${DTYPES.join(', ')}`);
  });
}
