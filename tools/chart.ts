/**
 * Draws bench/results/activations.svg, the README's chart: of the documents that are named, else of the newest in
 * bench/results for each device.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDocument } from '../src/bench/document.js';
import type { BenchDocument } from '../src/bench/types.js';
import { packageFolder } from '../src/common/package.js';
import { loadCharts } from '../src/report/charts.js';
import { formatChart } from '../src/report/svg.js';

const folder = join(packageFolder, 'bench', 'results');
const named = process.argv.slice(2);
const documents = named.length > 0 ? named.map(readDocument) : newestOfEachDevice();
if (documents.length === 0) {
  process.stderr.write('chart: bench/results has no activations*.json: polycom bench activations --json\n');
  process.exitCode = 1;
} else {
  const file = join(folder, 'activations.svg');
  writeFileSync(file, formatChart(documents, await loadCharts()));
  process.stdout.write(`${file}\n`);
}

function newestOfEachDevice(): BenchDocument[] {
  const found = readdirSync(folder)
    .filter((name) => /^activations.*\.json$/.test(name))
    .map((name) => readDocument(join(folder, name)))
    .sort((a, b) => a.date.localeCompare(b.date));
  return [...new Map(found.map((document) => [document.results[0]?.device, document])).values()];
}
