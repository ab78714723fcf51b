import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { lastLines, runCommand } from '../../src/common/command.js';
import { holdingLock } from '../../src/common/lock.js';
import { packageFolder } from '../../src/common/package.js';

/** Builds a target of CMakeLists.txt in a folder that is kept, with these options. @throws with what CMake last said */
export async function cmakeTarget(
  folder: string,
  target: string,
  options: Readonly<Record<string, string>>,
): Promise<void> {
  mkdirSync(dirname(folder), { recursive: true });
  const definitions = Object.entries(options).map(([name, value]) => `-D${name}=${value}`);
  const jobs = ['--parallel', String(availableParallelism())];
  await holdingLock(`${folder}.lock`, async () => {
    await must('cmake', ['-S', packageFolder, '-B', folder, ...definitions]);
    await must('cmake', ['--build', folder, '--target', target, ...jobs]);
  });
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const result = await runCommand(program, args);
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}:\n${lastLines(result, 30)}`);
}
