/**
 * Prints what ptxas says of every CUDA kernel: registers, shared memory, stack and spills, an architecture a column.
 * A spill is an error.
 *
 *   --architectures 90,100   sm_90 and sm_100; by default all that CMakeLists.txt lists
 *   --json                   one JSON document instead of the table
 */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { lastLines, runCommand } from '../src/command.js';
import { packageFolder } from '../src/package.js';
import { type KernelResources, parsePtxas } from './ptxas-output.js';

const { values: options } = parseArgs({
  options: { architectures: { type: 'string' }, json: { type: 'boolean', default: false } },
});
const architectures = options.architectures?.split(',') ?? listedArchitectures();
const nvcc = process.env.CUDACXX ?? 'nvcc';

if ((await runCommand(nvcc, ['--version'])).missing) {
  process.stdout.write('no nvcc (PATH, CUDACXX), so there are no CUDA kernels to look at\n');
} else {
  const kernels = await compileAll();
  process.stdout.write(options.json ? `${JSON.stringify(kernels, undefined, 1)}\n` : table(kernels));
  const spilling = kernels.filter(({ spill_bytes }) => spill_bytes > 0);
  if (spilling.length > 0) {
    process.stderr.write(`${spilling.length} of ${kernels.length} kernels spill\n`);
    process.exitCode = 1;
  }
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
  const args = ['-std=c++17', '-O3', `-I${native}`, `-I${join(native, 'include')}`, '-gencode', target];
  const result = await runCommand(nvcc, [...args, '-Xptxas', '-v', '-cubin', '-o', '/dev/null', file]);
  if (result.status !== 0) throw new Error(`${file} does not compile:\n${lastLines(result)}`);
  const { stdout } = await runCommand('c++filt', ['-n', ...mangledNames(result.stderr)]);
  const demangled = stdout.trim().split('\n');
  return parsePtxas(result.stderr).map((kernel, i) => ({ ...kernel, kernel: shortName(demangled[i]!) }));
}

function mangledNames(text: string): string[] {
  return parsePtxas(text).map(({ kernel }) => kernel);
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
