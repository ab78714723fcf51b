/**
 * What ptxas made of every CUDA kernel of the built library: registers, shared and local memory, an architecture a
 * column; what the table of mappings comes to with that: blocks and bytes in flight on a multiprocessor; and what the
 * kernels of activations cost, in instructions an element, beside their budgets, and those of attention on tensor cores,
 * in instructions a tile. NVIDIA's cuobjdump reads it from the
 * library. Errors are local memory, a kernel for 16-byte slots whose PTX lacks such loads or stores or reads before a
 * wait's barrier, a budget that is not kept, and a difference from what bench/results holds of the same nvcc.
 *
 *   --record   write bench/results/ptxas.txt, occupancy.txt, budget.txt, attention.txt: needs a library for all architectures
 *   --json     one JSON document of the kernels instead of tables
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { lastLines, runCommand } from '../src/common/command.js';
import { packageFolder } from '../src/common/package.js';
import { listedArchitectures } from '../src/native/architectures.js';
import { findNative, type NativeLibrary } from '../src/native/library.js';
import { attentionCosts, attentionTable, isAttention } from './attention-cost.js';
import { type Cost, complaints, costOf, targets } from './budget.js';
import { budgets, COUNTED } from './budget-table.js';
import { borrowedBounds, budgetTable } from './budget-text.js';
import { COLUMN, type KernelResources, parsePtx, parseResources, partOf } from './cuobjdump.js';
import { cuobjdump, disassemble, findNvdisasm } from './disassemble.js';
import { type Choice, choices, choicesTable } from './occupancy.js';
import { narrowKernels, openWaits, waits, wideAccesses } from './ptx-vectors.js';

const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, record: { type: 'boolean', default: false } },
});
/** The sources whose kernels wait for copies. */
const WAITING = [
  'activations/cuda/polynorm.cu',
  'activations/cuda/polynormglu.cu',
  'ops/attention/cuda_forward.cu',
  'ops/attention/cuda_backward.cu',
];
const compiler = process.env.CUDACXX ?? 'nvcc';
const nvcc = await runCommand(compiler, ['--version']);
const native = findNative();
if (!native.found) {
  complain(`no native library: ${native.reason}; remedy: npm run build:native`);
} else if (!native.build.cuda_architectures) {
  process.stdout.write(`${native.path} was built without nvcc, so there are no CUDA kernels to look at\n`);
} else {
  await lookAt(native);
}

async function lookAt(library: NativeLibrary): Promise<void> {
  const dump = (what: string): Promise<string> => cuobjdump(library.path, [what]);
  const found = parseResources(await dump('--dump-resource-usage'));
  const names = await demangled([...new Set(found.map(({ kernel }) => kernel))]);
  const kernels = found
    .map((kernel) => ({ ...kernel, kernel: names.get(kernel.kernel)! }))
    .sort((a, b) => compare(a.kernel, b.kernel) || Number(a.sm) - Number(b.sm));
  if (options.json) {
    process.stdout.write(`${JSON.stringify(kernels, undefined, 1)}\n`);
  } else {
    const architectures = listedArchitectures().filter((sm) => kernels.some((kernel) => kernel.sm === sm));
    const release = /release .*$/m.exec(nvcc.stdout)?.[0] ?? 'unknown';
    report('ptxas.txt', `nvcc ${release}\n${table(kernels, architectures)}`, architectures);
    const chosen = choices(library, kernels);
    report('occupancy.txt', `nvcc ${release}\n${choicesTable(chosen)}`, architectures);
    const costs = await costsOf(library, names, kernels, chosen);
    if (costs.length > 0) {
      report('budget.txt', `nvcc ${release}\n${budgetTable(costs)}`, architectures);
      process.stdout.write(borrowedBounds(costs));
      complaints(costs, budgets).forEach(complain);
      const tiles = await attentionOf(library, names, kernels);
      report('attention.txt', `nvcc ${release}\n${tiles}`, architectures);
    }
  }
  const local = kernels.filter(({ stack_bytes }) => stack_bytes > 0);
  if (local.length > 0) complain(`${local.length} of ${kernels.length} kernels have local memory`);
  const places = parsePtx(await dump('--dump-ptx'));
  if (places.length === 0) process.stdout.write('the library has no PTX, whose accesses are not looked at\n');
  for (const { sm, text } of places) {
    for (const { kernel, lacks } of narrowKernels(text, (one) => wideAccesses(names.get(one) ?? ''))) {
      complain(`${names.get(kernel)} (sm_${sm}): no 128-bit ${lacks.join(', ')}`);
    }
  }
  const compiled = await Promise.all(WAITING.map(ptxOf));
  for (const kernel of compiled.flatMap(openWaits)) {
    complain(`${names.get(kernel)}: reads before the barrier of a wait for copies`);
  }
  const unseen = places
    .flatMap(({ text }) => waits(text))
    .filter((kernel) => !compiled.join().includes(kernel));
  for (const kernel of unseen)
    complain(`${names.get(kernel)}: waits for copies, and its source is none of ${WAITING}`);
}

/** What the kernels that have budgets cost; nothing, and says so, where that cannot be seen. */
async function costsOf(
  library: NativeLibrary,
  names: ReadonlyMap<string, string>,
  kernels: readonly KernelResources[],
  chosen: readonly Choice[],
): Promise<Cost[]> {
  const architectures = COUNTED.filter((sm) => kernels.some((kernel) => kernel.sm === sm));
  const nvdisasm = findNvdisasm();
  if (nvdisasm === undefined || architectures.length === 0) {
    const why = nvdisasm === undefined ? 'no nvdisasm' : `no code for sm_${COUNTED.join(', sm_')}`;
    process.stdout.write(`skipped: the instructions an element of the kernels: ${why}\n`);
    return [];
  }
  const costs = architectures.map(async (sm) => {
    const wanted = targets(budgets, sm, kernels, chosen);
    const mangled = [...names.keys()].filter((one) => wanted.some(({ kernel }) => kernel === names.get(one)));
    const code = await disassemble(nvdisasm, library.path, sm, mangled);
    return wanted.map((target) =>
      costOf(target, code.find(({ kernel }) => names.get(kernel) === target.kernel)!),
    );
  });
  return (await Promise.all(costs)).flat();
}

/** The table of attention's kernels, for the architectures whose code is counted. */
async function attentionOf(
  library: NativeLibrary,
  names: ReadonlyMap<string, string>,
  kernels: readonly KernelResources[],
): Promise<string> {
  const mangled = [...names.keys()].filter((one) => isAttention(names.get(one)!));
  const counted = COUNTED.filter((sm) => kernels.some((kernel) => kernel.sm === sm));
  const code = await Promise.all(
    counted.map((sm) => disassemble(findNvdisasm()!, library.path, sm, mangled)),
  );
  const named = code.flat().map((sass) => [names.get(sass.kernel)!, sass] as const);
  return attentionTable(attentionCosts(named, kernels));
}

/**
 * PTX of a source with its comments, which show barriers, and which the library's has lost.
 *
 * @throws {Error} with nvcc's last lines
 */
async function ptxOf(source: string): Promise<string> {
  const kept = mkdtempSync(join(tmpdir(), 'polycom-ptx-'));
  try {
    const folder = join(packageFolder, 'native');
    const output = join(kept, 'kernels.ptx');
    const flags = ['-std=c++17', '-O3', `-I${folder}`, `-I${join(folder, 'include')}`, '-arch=compute_90'];
    const result = await runCommand(compiler, [...flags, '-ptx', '-o', output, join(folder, source)]);
    if (result.status !== 0) throw new Error(`${source} does not compile:\n${lastLines(result)}`);
    return readFileSync(output, 'utf8');
  } finally {
    rmSync(kept, { recursive: true, force: true });
  }
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}

/** Prints a table, and writes it, or compares it with what was written before by the same nvcc. */
function report(name: string, text: string, architectures: readonly string[]): void {
  process.stdout.write(`${text}\n`);
  const file = join(packageFolder, 'bench', 'results', name);
  if (options.record) {
    if (architectures.length === listedArchitectures().length) writeFileSync(file, text);
    else complain('a record is of all architectures: npx tsx tools/prepare.ts --native --all-architectures');
    return;
  }
  if (!existsSync(file)) return;
  const recorded = readFileSync(file, 'utf8');
  if (recorded.split('\n')[0] !== text.split('\n')[0] || partOf(recorded, architectures) === text) return;
  complain(
    `${name} in bench/results differs from this: after a look at what has changed, npm run ptxas -- --record`,
  );
}

/** The short names of kernels, by their mangled ones. */
async function demangled(mangled: readonly string[]): Promise<Map<string, string>> {
  const lines: string[] = [];
  for (let i = 0; i < mangled.length; i += 500) {
    const { stdout } = await runCommand('c++filt', ['-n', ...mangled.slice(i, i + 500)]);
    lines.push(...stdout.trim().split('\n'));
  }
  return new Map(mangled.map((name, i) => [name, shortName(lines[i]!)]));
}

/** `polynorm_forward_kernel<float, 3, true, 1>`, without namespaces and parameters. */
function shortName(name: string): string {
  return name
    .replace(/^void /, '')
    .replace(/\(polycom::(cuda::)?\w+_call.*$/, '')
    .replace(/polycom::(cuda::)?(\(anonymous namespace\)::)?/g, '');
}

function table(kernels: readonly KernelResources[], architectures: readonly string[]): string {
  const names = [...new Set(kernels.map(({ kernel }) => kernel))];
  const width = Math.max(...names.map((name) => name.length));
  const head = ['kernel'.padEnd(width), ...architectures.map((sm) => `sm_${sm}`.padStart(COLUMN))].join('');
  const rows = names.map((name) => {
    const cells = architectures.map((sm) => {
      const found = kernels.find(({ kernel, sm: of }) => kernel === name && of === sm);
      return (found === undefined ? '-' : cell(found)).padStart(COLUMN);
    });
    return [name.padEnd(width), ...cells].join('');
  });
  const legend =
    'registers a thread / bytes of static shared memory a block; + bytes of local memory, if any';
  return `${[head, ...rows, legend].join('\n')}\n`;
}

function cell({ registers, shared_bytes, stack_bytes }: KernelResources): string {
  return `${registers}/${shared_bytes}${stack_bytes > 0 ? ` +${stack_bytes}` : ''}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
