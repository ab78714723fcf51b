import { join } from 'node:path';
import { runCommand } from '../common/command.js';

/** A program that building needs, as it was found. */
export interface Tool {
  readonly name: 'cmake' | 'compiler' | 'make' | 'nvcc' | 'pip';
  /** What to run, and its version: of the first that runs. */
  readonly program?: string;
  readonly version?: string;
  /** What needs it. */
  readonly use: string;
  /** How to get it. */
  readonly remedy: string;
}

interface Wanted extends Pick<Tool, 'name' | 'use' | 'remedy'> {
  /** The commands that serve, best first, with what makes them tell their version. */
  readonly commands: () => readonly (readonly string[])[];
}

const BUILD = 'polycom build';
const WANTED: readonly Wanted[] = [
  {
    name: 'cmake',
    commands: () => [['cmake', '--version']],
    use: BUILD,
    remedy: 'install cmake 3.22 or newer (Debian and Ubuntu: apt-get install cmake; or pip install cmake)',
  },
  {
    name: 'compiler',
    commands: () => [[...compilerCommand(), '--version']],
    use: `${BUILD} and polycom tf-link`,
    remedy:
      'install g++ 11 or newer, or clang 14 or newer (Debian and Ubuntu: apt-get install g++), or name one in CXX',
  },
  {
    name: 'make',
    commands: () => [
      ['ninja', '--version'],
      ['make', '--version'],
    ],
    use: BUILD,
    remedy: 'install make (Debian and Ubuntu: apt-get install make) or ninja',
  },
  {
    name: 'nvcc',
    commands: () => nvccPaths().map((path) => [path, '--version']),
    use: 'CUDA kernels in polycom build',
    remedy: 'install the CUDA toolkit, or name its nvcc in CUDACXX, or its folder in CUDA_PATH',
  },
  {
    name: 'pip',
    commands: () => [['python3', '-m', 'pip', '--version']],
    use: 'polycom tf-link, to fetch a TensorFlow',
    remedy: 'install python3 with pip (Debian and Ubuntu: apt-get install python3-pip)',
  },
];

/** Looks for every program that building this package or linking a TensorFlow needs. */
export function findTools(): Promise<Tool[]> {
  return Promise.all(WANTED.map(find));
}

/** Looks for one of them. */
export function findTool(name: Tool['name']): Promise<Tool> {
  return find(WANTED.find((tool) => tool.name === name)!);
}

async function find({ name, commands, use, remedy }: Wanted): Promise<Tool> {
  for (const [program, ...args] of commands()) {
    const { status, stdout } = await runCommand(program!, args);
    if (status !== 0) continue;
    const version = /V(\d+(?:\.\d+)+)/.exec(stdout)?.[1] ?? /\d+(?:\.\d+)+/.exec(stdout)?.[0];
    const found = [program, ...args.slice(0, -1)].join(' ');
    return { name, program: found, ...(version === undefined ? {} : { version }), use, remedy };
  }
  return { name, use, remedy };
}

/** Where CMakeLists.txt looks for nvcc, in its order. */
function nvccPaths(): string[] {
  const { CUDACXX, CUDA_PATH, CUDA_HOME } = process.env;
  if (CUDACXX !== undefined && CUDACXX !== '') return [CUDACXX];
  const folders = [CUDA_PATH, CUDA_HOME].filter((folder) => folder !== undefined && folder !== '');
  return [...folders.map((folder) => join(folder!, 'bin', 'nvcc')), 'nvcc'];
}

/** The C++ compiler that `CXX` names, in one word or several such as `ccache g++-12`; else `c++`. */
export function compilerCommand(): readonly [string, ...string[]] {
  return (process.env.CXX?.trim() || 'c++').split(/\s+/) as [string, ...string[]];
}
