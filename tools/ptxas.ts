/**
 * What ptxas says of every CUDA kernel: registers, shared memory, stack and spills, an architecture a column; and what
 * the table of mappings comes to with that: blocks and bytes in flight on a multiprocessor. Errors are a spill, a kernel
 * for 16-byte slots whose PTX lacks such loads or stores, and a difference from what bench/results holds of the same nvcc.
 *
 *   --architectures 90,100   sm_90 and sm_100; by default all that CMakeLists.txt lists
 *   --record                 write bench/results/ptxas.txt and occupancy.txt
 *   --json                   one JSON document of the kernels instead of tables
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { lastLines, runCommand } from '../src/command.js';
import { findNative } from '../src/native/library.js';
import { packageFolder } from '../src/package.js';
import { choices, choicesTable } from './occupancy.js';
import { narrowKernels, wideAccesses } from './ptx-vectors.js';
import { type KernelResources, parsePtxas } from './ptxas-output.js';

const { values: options } = parseArgs({
  options: {
    architectures: { type: 'string' },
    json: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});
const architectures = options.architectures?.split(',') ?? listedArchitectures();
const nvcc = process.env.CUDACXX ?? 'nvcc';
/** `kernel: lacks loads`, of the kernels that ought to have 128-bit accesses. */
const narrow: string[] = [];

const version = await runCommand(nvcc, ['--version']);
if (version.missing) {
  process.stdout.write('no nvcc (PATH, CUDACXX), so there are no CUDA kernels to look at\n');
} else {
  const kernels = await compileAll();
  if (options.json) {
    process.stdout.write(`${JSON.stringify(kernels, undefined, 1)}\n`);
  } else {
    const release = /release .*$/m.exec(version.stdout)?.[0] ?? 'unknown';
    report('ptxas.txt', `nvcc ${release}\n${table(kernels)}`);
    const native = findNative();
    if (native.found) {
      report('occupancy.txt', `nvcc ${release}\n${choicesTable(choices(native, kernels))}`);
    } else {
      process.stdout.write(`no table of mappings: ${native.reason}\n`);
    }
  }
  const spilling = kernels.filter(({ spill_bytes }) => spill_bytes > 0);
  if (spilling.length > 0) complain(`${spilling.length} of ${kernels.length} kernels spill`);
  if (narrow.length > 0) complain(`no 128-bit accesses:\n${narrow.join('\n')}`);
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}

/** Prints a table, and writes it, or compares it with what was written before by the same nvcc. */
function report(name: string, text: string): void {
  process.stdout.write(`${text}\n`);
  const file = join(packageFolder, 'bench', 'results', name);
  if (options.record) {
    writeFileSync(file, text);
    return;
  }
  if (!existsSync(file) || options.architectures !== undefined) return;
  const recorded = readFileSync(file, 'utf8');
  if (recorded === text || recorded.split('\n')[0] !== text.split('\n')[0]) return;
  complain(
    `${name} in bench/results differs from this: after a look at what has changed, npm run ptxas -- --record`,
  );
}

/** The architectures of CMakeLists.txt: `80`, `86`, ... */
function listedArchitectures(): string[] {
  const text = readFileSync(join(packageFolder, 'CMakeLists.txt'), 'utf8');
  const list = /set\(CMAKE_CUDA_ARCHITECTURES "([^"]+)"\)/.exec(text)![1]!;
  return list.split(';').map((architecture) => architecture.replace('-real', ''));
}

async function compileAll(): Promise<KernelResources[]> {
  const folder = join(packageFolder, 'native', 'cuda');
  const jobs = readdirSync(folder)
    .filter((file) => file.endsWith('.cu'))
    .flatMap((file) => architectures.map((architecture) => ({ file: join(folder, file), architecture })));
  const kernels: KernelResources[] = [];
  const worker = async (): Promise<void> => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      kernels.push(...(await compile(job.file, job.architecture)));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return kernels.sort((a, b) => compare(a.kernel, b.kernel) || Number(a.sm) - Number(b.sm));
}

async function compile(file: string, architecture: string): Promise<KernelResources[]> {
  const native = join(packageFolder, 'native');
  const target = `arch=compute_${architecture},code=sm_${architecture}`;
  const kept = mkdtempSync(join(tmpdir(), 'polycom-ptx-'));
  try {
    const args = ['-std=c++17', '-O3', `-I${native}`, `-I${join(native, 'include')}`, '-gencode', target];
    const keep = ['--keep', '--keep-dir', kept, '-cubin', '-o', join(kept, 'kernels.cubin')];
    const result = await runCommand(nvcc, [...args, '-Xptxas', '-v', ...keep, file]);
    if (result.status !== 0) throw new Error(`${file} does not compile:\n${lastLines(result)}`);
    const found = parsePtxas(result.stderr);
    const names = await demangled(found.map(({ kernel }) => kernel));
    const ptx = readFileSync(join(kept, `${basename(file, '.cu')}.ptx`), 'utf8');
    for (const { kernel, lacks } of narrowKernels(ptx, (one) => wideAccesses(names.get(one) ?? ''))) {
      narrow.push(`${names.get(kernel)} (sm_${architecture}): ${lacks.join(', ')}`);
    }
    return found.map((kernel) => ({ ...kernel, kernel: names.get(kernel.kernel)! }));
  } finally {
    rmSync(kept, { recursive: true, force: true });
  }
}

/** The short names of kernels, by their mangled ones. */
async function demangled(mangled: readonly string[]): Promise<Map<string, string>> {
  if (mangled.length === 0) return new Map();
  const { stdout } = await runCommand('c++filt', ['-n', ...mangled]);
  const lines = stdout.trim().split('\n');
  return new Map(mangled.map((name, i) => [name, shortName(lines[i]!)]));
}

/** `polynorm_forward_kernel<float, 3, true, 1>`, without namespaces and parameters. */
function shortName(name: string): string {
  return name
    .replace(/^void /, '')
    .replace(/\(polycom::\w+_call.*$/, '')
    .replace(/polycom::(cuda::)?(\(anonymous namespace\)::)?/g, '');
}

function table(kernels: readonly KernelResources[]): string {
  const names = [...new Set(kernels.map(({ kernel }) => kernel))];
  const width = Math.max(...names.map((name) => name.length));
  const head = ['kernel'.padEnd(width), ...architectures.map((sm) => `sm_${sm}`.padStart(18))].join('');
  const rows = names.map((name) => {
    const cells = architectures.map((sm) => {
      const found = kernels.find(({ kernel, sm: of }) => kernel === name && of === sm);
      return (found === undefined ? '-' : cell(found)).padStart(18);
    });
    return [name.padEnd(width), ...cells].join('');
  });
  const legend =
    'registers a thread / bytes of static shared memory a block; + stack and spilled bytes, if any';
  return `${[head, ...rows, legend].join('\n')}\n`;
}

function cell({ registers, shared_bytes, stack_bytes, spill_bytes }: KernelResources): string {
  const extra = stack_bytes + spill_bytes > 0 ? ` +${stack_bytes}+${spill_bytes}` : '';
  return `${registers}/${shared_bytes}${extra}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
