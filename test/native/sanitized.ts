import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastLines, runCommand } from '../../src/common/command.js';
import { packageFolder } from '../../src/common/package.js';
import { compilerCommand } from '../../src/native/tools.js';
import { cmakeTarget } from './cmake.js';

/** `address` sees undefined behaviour too, and has the CUDA kernels on the emulator. */
export type Sanitizer = 'address' | 'thread';

const FLAGS: Record<Sanitizer, { compiler: string; cuda: string }> = {
  address: { compiler: '-fsanitize=address,undefined', cuda: 'EMULATED' },
  thread: { compiler: '-fsanitize=thread', cuda: 'OFF' },
};

/** How to start a program: its path, behind what it needs before it. */
export type Command = readonly [string, ...string[]];

/**
 * Builds test/native/fuzz with the library's sources and a sanitizer, where that has not been done; or gives undefined,
 * with the reason printed, where there is no compiler or no runtime for that sanitizer.
 */
export async function buildFuzzer(sanitizer: Sanitizer): Promise<Command | undefined> {
  const prefix = await prefixFor(sanitizer);
  if (typeof prefix === 'string') {
    console.warn(`skipped: fuzzing with the ${sanitizer} sanitizer: ${prefix}`);
    return undefined;
  }
  const folder = join(packageFolder, 'build', `sanitize-${sanitizer}`);
  await cmakeTarget(folder, 'polycom_fuzz', {
    POLYCOM_SANITIZE: sanitizer,
    POLYCOM_CUDA: FLAGS[sanitizer].cuda,
  });
  return [...prefix, join(folder, 'polycom_fuzz')] as unknown as Command;
}

/** What a program with this sanitizer must be started with, as a program shows that does nothing; or why none runs. */
async function prefixFor(sanitizer: Sanitizer): Promise<readonly string[] | string> {
  if ((await runCommand('cmake', ['--version'])).missing) return 'there is no cmake';
  const [compiler, ...words] = compilerCommand();
  const folder = mkdtempSync(join(tmpdir(), 'polycom-sanitizer-'));
  try {
    const [file, program] = [join(folder, 'empty.cpp'), join(folder, 'empty')];
    writeFileSync(file, 'int main() { return 0; }\n');
    const compiled = await runCommand(compiler, [...words, FLAGS[sanitizer].compiler, '-o', program, file]);
    if (compiled.missing) return `there is no ${compiler}`;
    if (compiled.status !== 0) return lastLines(compiled);
    // The second: thread sanitizer of older compilers fails where addresses are too random.
    let last = '';
    for (const prefix of [[], ['setarch', '-R']]) {
      const [first, ...rest] = [...prefix, program];
      const result = await runCommand(first!, rest);
      if (result.status === 0) return prefix;
      last = lastLines(result);
    }
    return `its programs do not run here: ${last}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
