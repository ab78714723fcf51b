import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lastLines, runCommand } from '../../common/command.js';
import { PolycomError } from '../../common/errors.js';
import { packageFolder } from '../../common/package.js';
import { readIntact, replaceFile, store } from '../../common/store.js';
import { cacheDirectory } from '../../common/user-cache.js';
import { compilerCommand, identifyCompiler } from './binding.js';
import { LIBRARIES, loadLibraries } from './folder.js';
import { streamLibraryOf, type TfjsPackage } from './packages.js';
import type { OnLine, TensorflowFound } from './types.js';

/** The file that finds the stream of an op in TensorFlow's C++ objects. */
export const STREAM_SOURCE: string = join(packageFolder, 'native', 'tensorflow', 'cpp', 'stream.cpp');

const LIBRARY = 'polycom_stream.so';

/** As TensorFlow's wheels are built, and its `tf.sysconfig.get_compile_flags()` has it. */
const FLAGS = [
  ...['-std=c++17', '-D_GLIBCXX_USE_CXX11_ABI=1', '-DEIGEN_MAX_ALIGN_BYTES=64', '-DNDEBUG'],
  // nodelete: the native library keeps its function. now: what this TensorFlow lacks is refused when it loads.
  ...['-O2', '-w', '-shared', '-fPIC', '-fvisibility=hidden', '-Wl,-z,nodelete,-z,now,-z,defs'],
];

/**
 * Puts beside the packages' bindings the library that finds TensorFlow's stream, compiled against its C++ headers, or takes
 * one away that is not wanted. Without it ops on a GPU are ordered in another way, as the line says.
 *
 * @param wanted whether this TensorFlow has a GPU device of its own
 */
export async function linkStream(
  packages: readonly TfjsPackage[],
  tensorflow: TensorflowFound,
  wanted: boolean,
  say: OnLine,
): Promise<void> {
  const library = wanted ? await obtainStream(tensorflow, say) : undefined;
  for (const target of packages.map(({ folder }) => streamLibraryOf(folder))) {
    if (library === undefined) await rm(target, { force: true });
    else await replaceFile(library, target);
  }
}

/** The library, from the cache or compiled; none, with the reason said, where that cannot be. */
export async function obtainStream(tensorflow: TensorflowFound, say: OnLine): Promise<string | undefined> {
  const { version, libraryFolder, includeFolder } = tensorflow;
  if (!hasCppHeaders(includeFolder)) {
    const remedy = libraryFolder.startsWith(cacheDirectory('tensorflow'))
      ? `remove ${libraryFolder} and run tf-link again, which unpacks them too`
      : 'name a whole TensorFlow with --tensorflow';
    say(`${WITHOUT}: ${includeFolder} has no C++ headers; remedy: ${remedy}`);
    return undefined;
  }
  const parts = [await readFile(STREAM_SOURCE, 'utf8'), version, libraryFolder, await identifyCompiler()];
  const key = createHash('sha256').update([...parts, ...FLAGS].join('\0'));
  const folder = cacheDirectory('stream', key.digest('hex').slice(0, 16));
  if ((await readIntact(folder)) !== undefined) return join(folder, LIBRARY);
  say(`compiling what finds the streams of TensorFlow ${version}`);
  try {
    await store(folder, (aside) => compileStream(STREAM_SOURCE, tensorflow, join(aside, LIBRARY)));
  } catch (error) {
    if (!(error instanceof PolycomError) || error.code !== 'BUILD_FAILED') throw error;
    say(`${WITHOUT}: ${error.problem}; remedy: ${error.remedy}`);
    return undefined;
  }
  return join(folder, LIBRARY);
}

/** Whether the headers that {@link STREAM_SOURCE} needs lie in a folder. */
export function hasCppHeaders(includeFolder: string): boolean {
  return existsSync(join(includeFolder, 'tensorflow', 'core', 'framework', 'op_kernel.h'));
}

/**
 * Compiles {@link STREAM_SOURCE}, or what includes it, for the version that the library itself says.
 *
 * @throws {PolycomError} `BUILD_FAILED` with the compiler's first error
 */
export async function compileStream(
  source: string,
  { libraryFolder, includeFolder }: Pick<TensorflowFound, 'libraryFolder' | 'includeFolder'>,
  output: string,
  more: readonly string[] = [],
): Promise<{ version: string }> {
  const loaded = await loadLibraries(libraryFolder);
  if (loaded.status !== 0) throw notCompiled(`${libraryFolder} does not load: ${lastLines(loaded, 1)}`);
  const version = loaded.stdout.split('\n')[0]!;
  const [program = 'g++', ...first] = compilerCommand();
  const libraries = LIBRARIES.map((name) => join(libraryFolder, name));
  const inputs = [
    `-DPOLYCOM_TENSORFLOW_VERSION="${version}"`,
    '-isystem',
    includeFolder,
    source,
    ...libraries,
  ];
  const result = await runCommand(program, [...first, ...FLAGS, ...inputs, ...more, '-o', output]);
  if (result.status === 0) return { version };
  const error = result.stderr.split('\n').find((line) => /error|undefined/.test(line));
  const why = error ?? lastLines(result, 1);
  throw notCompiled(`${program} does not compile TensorFlow ${version}'s headers: ${why}`);
}

function notCompiled(problem: string): PolycomError {
  const remedy = 'take another compiler (CXX names it), or a TensorFlow nearer to 2.21';
  return new PolycomError('BUILD_FAILED', problem, { remedy });
}

const WITHOUT = "ops on a GPU will not run on TensorFlow's own stream, but be ordered with it";
