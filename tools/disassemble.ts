import { dirname } from 'node:path';
import { lastLines, runCommand } from '../src/common/command.js';
import { parseSass, type Sass } from './sass.js';
import { wheelProgram } from './wheel.js';

/**
 * What NVIDIA's cuobjdump prints of a library.
 *
 * @throws {Error} with its last lines
 */
export async function cuobjdump(
  library: string,
  options: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const program = wheelProgram('nvidia-cuda-cuobjdump', '13.5.37', 'nvidia/cu13/bin/cuobjdump');
  const result = await runCommand(program, [...options, library], env);
  if (result.status !== 0) throw new Error(`cuobjdump ${options[0]} fails:\n${lastLines(result)}`);
  return result.stdout;
}

/** The path of NVIDIA's nvdisasm; undefined where pip cannot get it. */
export function findNvdisasm(): string | undefined {
  try {
    return wheelProgram('nvidia-cuda-nvdisasm', '13.5.37', 'nvidia/cu13/bin/nvdisasm');
  } catch {
    return undefined;
  }
}

/** The machine code that a library has of some kernels, by their mangled names, for an architecture. */
export async function disassemble(
  nvdisasm: string,
  library: string,
  sm: string,
  kernels: readonly string[],
): Promise<Sass[]> {
  const options = ['--dump-sass', '--gpu-architecture', `sm_${sm}`, '--function', kernels.join(',')];
  return parseSass(await cuobjdump(library, options, { ...process.env, PATH: dirname(nvdisasm) }));
}
