import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { lastLines, runCommand } from '../../common/command.js';
import { PolycomError } from '../../common/errors.js';
import { reasonOf } from '../../common/file-error.js';
import { requireHere } from '../../common/package.js';
import { readIntact, replaceFile, store } from '../../common/store.js';
import { cacheDirectory } from '../../common/user-cache.js';
import { LIBRARIES } from './folder.js';
import type { TfjsPackage } from './packages.js';
import type { OnLine, TensorflowFound } from './types.js';

const BINDING = 'tfjs_binding.node';

/**
 * `nodelete`: TensorFlow must not be unloaded while its threads run. A worker thread that ends would do it when it
 * alone loaded tfjs-node and koffi holds TensorFlow too (status 139 in 5 of 5 runs; with the flag in none).
 * `disable-new-dtags`: an RPATH, which unlike a RUNPATH serves the libraries that the libraries need.
 */
const LINK_FLAGS = ['-shared', '-Wl,-z,nodelete', '-Wl,--disable-new-dtags'];
const COMPILE_FLAGS = ['-std=c++17', '-O2', '-fPIC', '-w', '-DNDEBUG', '-DNAPI_VERSION=8'];

/** What the manifest of a built binding says. */
export interface BuiltBinding {
  readonly tensorflow: string;
  readonly libraryFolder: string;
  readonly compiler: string;
}

/** tfjs-node's binding for a TensorFlow, from the cache or built from the sources that the package ships. */
export async function obtainBinding(
  tfjs: TfjsPackage,
  tensorflow: TensorflowFound,
  say: OnLine,
): Promise<string> {
  const sources = join(tfjs.folder, 'binding');
  const compiler = await identifyCompiler();
  const folder = cacheDirectory('binding', await bindingKey(sources, tensorflow, compiler));
  if ((await readIntact<BuiltBinding>(folder)) !== undefined) return join(folder, BINDING);
  say(`compiling ${tfjs.name}'s binding for TensorFlow ${tensorflow.version}`);
  const build = async (aside: string): Promise<BuiltBinding> => {
    await compile(sources, tensorflow, aside);
    return { tensorflow: tensorflow.version, libraryFolder: tensorflow.libraryFolder, compiler };
  };
  await store(folder, build);
  return join(folder, BINDING);
}

/** Puts a binding where the package looks for it; false when it is there already. */
export async function installBinding(binding: string, tfjs: TfjsPackage): Promise<boolean> {
  const [wanted, present] = await Promise.all([
    readFile(binding),
    readFile(tfjs.binding).catch(() => undefined),
  ]);
  if (present?.equals(wanted)) return false;
  try {
    await replaceFile(binding, tfjs.binding);
  } catch (cause) {
    const refusal = cause instanceof PolycomError ? cause.cause : cause;
    throw new PolycomError('FILE_ERROR', `cannot write ${tfjs.binding}: ${reasonOf(refusal)}`, {
      remedy: 'run tf-link as the user who owns node_modules, where there is room for it',
      path: tfjs.binding,
      cause,
    });
  }
  return true;
}

async function compile(sources: string, tensorflow: TensorflowFound, folder: string): Promise<void> {
  const objects = join(folder, 'objects');
  await mkdir(objects);
  const includes = ['-I', tensorflow.includeFolder, '-I', nodeApiHeaders()];
  const names = (await readdir(sources)).filter((name) => name.endsWith('.cc')).sort();
  const compiled = names.map(async (name) => {
    const object = join(objects, `${name}.o`);
    await runCompiler([...COMPILE_FLAGS, ...includes, '-c', join(sources, name), '-o', object]);
    return object;
  });
  const libraries = LIBRARIES.map((name) => join(tensorflow.libraryFolder, name));
  const rpath = ['-Xlinker', '-rpath', '-Xlinker', tensorflow.libraryFolder];
  const output = ['-o', join(folder, BINDING)];
  await runCompiler([...LINK_FLAGS, ...(await settled(compiled)), ...libraries, ...rpath, ...output]);
  await rm(objects, { recursive: true });
}

/** Waits for all before the first failure is thrown: the folder they write in is removed then. */
async function settled(promises: Promise<string>[]): Promise<string[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

async function runCompiler(args: readonly string[]): Promise<void> {
  const [program = 'g++', ...first] = compilerCommand();
  const result = await runCommand(program, [...first, ...args]);
  if (result.status === 0) return;
  throw new PolycomError(
    'BUILD_FAILED',
    `${program} could not build tfjs-node's binding:\n${lastLines(result)}`,
    {
      remedy: 'a compiler with C++17 is needed (g++ 9 or newer; CXX names another), and a whole TensorFlow',
    },
  );
}

/** The compiler's name and version, if it runs; asked before anything large is fetched. */
export async function identifyCompiler(): Promise<string> {
  const [program = 'g++', ...first] = compilerCommand();
  const result = await runCommand(program, [...first, '--version']);
  if (result.status === 0) return result.stdout.split('\n')[0] ?? program;
  throw new PolycomError('BUILD_FAILED', `the C++ compiler ${program} does not run`, {
    remedy:
      "install g++ (Debian, Ubuntu: apt install g++), or name a compiler in CXX; it builds tfjs-node's binding",
  });
}

/** The compiler's name, and what comes before its other arguments. */
export function compilerCommand(): string[] {
  return (process.env.CXX ?? 'g++').trim().split(/\s+/);
}

async function bindingKey(sources: string, tensorflow: TensorflowFound, compiler: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(sources)).sort()) {
    hash.update(`${name}\0`).update(await readFile(join(sources, name)));
  }
  const { version, libraryFolder } = tensorflow;
  hash.update([version, libraryFolder, compiler, ...COMPILE_FLAGS, ...LINK_FLAGS].join('\0'));
  return hash.digest('hex').slice(0, 16);
}

/** Node-API's headers from the npm package that cmake-js depends on; they serve every Node. */
function nodeApiHeaders(): string {
  const fromCmakeJs = createRequire(requireHere.resolve('cmake-js/package.json'));
  return join(dirname(fromCmakeJs.resolve('node-api-headers/package.json')), 'include');
}
