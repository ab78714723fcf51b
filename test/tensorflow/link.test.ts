/** The steps of tf-link, from a wheel to a linked package, in one file: all work on the made-up packages of one harness. */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { PolycomError } from '../../src/common/errors.js';
import { installBinding } from '../../src/tensorflow/link/binding.js';
import { obtainTensorflow } from '../../src/tensorflow/link/find.js';
import { isAtLeast } from '../../src/tensorflow/link/folder.js';
import { findTensorflow, type LinkResult, linkTensorflow } from '../../src/tensorflow/link/index.js';
import { resolvePackage, resolvePackages } from '../../src/tensorflow/link/packages.js';
import { PINNED } from '../../src/tensorflow/link/wheel.js';
import {
  errorOf,
  makeProject,
  makeWheel,
  ROOT,
  removeFolders,
  runs,
  runTypeScript,
  temporaryCache,
  temporaryFolder,
  tensorflowFiles,
  writeFiles,
} from './link-harness.js';

const NAME = 'tensorflow-9.9.9-cp311-cp311-manylinux_2_27_x86_64.whl';
const silent = (): void => undefined;
const python = runs('python3', '--version');
const compiler = runs('g++', '--version');
if (!python) console.warn('skipped: the tests that unpack wheels: no python3');
if (!compiler) console.warn('skipped: the tests that compile: no g++');

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});
afterAll(removeFolders);

/** A PATH on which `python3` is the given shell script, or nothing at all. */
function pathWith(script?: string): string {
  const folder = temporaryFolder();
  if (script === undefined) return folder;
  writeFiles(folder, { python3: `#!/bin/sh\n${script}\n` });
  return [folder, process.env.PATH].join(delimiter);
}

describe.runIf(python)('unpacking a wheel', () => {
  const wheelOf = (files = tensorflowFiles('9.9.9'), name = NAME): string =>
    makeWheel(temporaryFolder(), name, files);

  test('takes the libraries, the headers and the metadata, and nothing else', async () => {
    temporaryCache();
    const wheel = wheelOf();
    expect(await findTensorflow({ tensorflow: wheel })).toBeUndefined();
    const { version, source, libraryFolder } = await obtainTensorflow({ tensorflow: wheel }, silent);
    expect({ version, source }).toEqual({ version: '9.9.9', source: 'given' });
    expect(readFileSync(join(libraryFolder, 'libtensorflow_cc.so.2'), 'utf8')).toBe('the large library');
    expect(existsSync(join(libraryFolder, 'python'))).toBe(false);
    expect(existsSync(join(libraryFolder, 'METADATA'))).toBe(true);
    expect((await findTensorflow({ tensorflow: wheel }))?.libraryFolder).toBe(libraryFolder);
    expect((await findTensorflow())?.source).toBe('cache');
  });

  test('takes the C++ headers that those which find the stream include, and no others', async () => {
    temporaryCache();
    const headers = {
      'tensorflow/core/framework/op_kernel.h': '#include "xla/one.h"\n# include <vector>\n',
      'xla/one.h': '#include "../google/two.inc"\n#include "tensorflow/core/framework/op_kernel.h"\n',
      'google/two.inc': '',
      'google/three.h': '',
    };
    const below = Object.entries(headers).map(([name, text]) => [`tensorflow/include/${name}`, text]);
    const tensorflow = wheelOf({ ...tensorflowFiles('9.9.9'), ...Object.fromEntries(below) });
    const { includeFolder } = await obtainTensorflow({ tensorflow }, silent);
    const taken = Object.keys(headers).filter((name) => existsSync(join(includeFolder, name)));
    expect(taken).toEqual(['tensorflow/core/framework/op_kernel.h', 'xla/one.h', 'google/two.inc']);
  });

  test('a truncated file is noticed, and the cache rebuilt', async () => {
    temporaryCache();
    const tensorflow = wheelOf();
    const { libraryFolder } = await obtainTensorflow({ tensorflow }, silent);
    const library = join(libraryFolder, 'libtensorflow_cc.so.2');
    truncateSync(library, 3);
    expect(await findTensorflow({ tensorflow })).toBeUndefined();
    await obtainTensorflow({ tensorflow }, silent);
    expect(readFileSync(library, 'utf8')).toBe('the large library');
  });

  test('a file of the same size but other content is noticed by verify', async () => {
    temporaryCache();
    const tensorflow = wheelOf();
    const { libraryFolder } = await obtainTensorflow({ tensorflow }, silent);
    const library = join(libraryFolder, 'libtensorflow_cc.so.2');
    writeFileSync(library, 'the LARGE library');
    expect(await findTensorflow({ tensorflow })).toBeDefined();
    expect(await findTensorflow({ tensorflow, verify: true })).toBeUndefined();
    await obtainTensorflow({ tensorflow, verify: true }, silent);
    expect(readFileSync(library, 'utf8')).toBe('the large library');
  });

  test('what an interrupted run left is not trusted, and removed', async () => {
    const cache = temporaryCache();
    const tensorflow = wheelOf();
    const { libraryFolder } = await obtainTensorflow({ tensorflow }, silent);
    rmSync(join(libraryFolder, 'manifest.json'));
    const dead = join(cache, 'tensorflow', `.aside-${hostname()}-999999999-0a0b0c0d`);
    const alive = join(cache, 'tensorflow', `.aside-${hostname()}-${process.ppid}-0a0b0c0d`);
    for (const folder of [dead, alive]) writeFiles(folder, { 'libtensorflow_cc.so.2': 'half' });
    expect(await findTensorflow()).not.toMatchObject({ source: 'cache' });
    await obtainTensorflow({ tensorflow }, silent);
    expect(existsSync(dead)).toBe(false);
    expect(existsSync(alive)).toBe(true);
    expect(existsSync(join(libraryFolder, 'manifest.json'))).toBe(true);
  });

  test('processes that unpack at once end with one whole folder', async () => {
    const cache = temporaryCache();
    const tensorflow = wheelOf();
    const code = `import { obtainTensorflow } from ${JSON.stringify(join(ROOT, 'src/tensorflow/link/find.ts'))};
const found = await obtainTensorflow({ tensorflow: ${JSON.stringify(tensorflow)} }, () => undefined);
process.stdout.write(found.libraryFolder);`;
    const results = await Promise.all([1, 2, 3, 4].map(() => runTypeScript(code)));
    expect(results.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
    expect(readdirSync(join(cache, 'tensorflow'))).toHaveLength(1);
    expect(await findTensorflow({ tensorflow, verify: true })).toBeDefined();
  });

  test('a wheel without the libraries, or under another name, is refused', async () => {
    const cache = temporaryCache();
    const empty = await errorOf(obtainTensorflow({ tensorflow: wheelOf({ 'tensorflow/a.py': '' }) }, silent));
    expect(empty).toMatchObject({ code: 'TENSORFLOW_NOT_FOUND' });
    expect(empty.message).toContain('holds no libtensorflow');
    expect(readdirSync(join(cache, 'tensorflow'))).toEqual([]);
    const renamed = wheelOf(undefined, 'download.whl');
    expect(await errorOf(obtainTensorflow({ tensorflow: renamed }, silent))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      remedy: expect.stringContaining('own name'),
    });
  });
});

describe.runIf(python)('finding a TensorFlow', () => {
  const site = (version: string): string => {
    const folder = temporaryFolder();
    writeFiles(folder, tensorflowFiles(version));
    return folder;
  };

  test('the one given goes before the environment, the cache, and the installed one', async () => {
    temporaryCache();
    const installed = site('3.1.0');
    vi.stubEnv('PYTHONPATH', installed);
    expect(await findTensorflow()).toEqual({
      version: '3.1.0',
      libraryFolder: join(installed, 'tensorflow'),
      includeFolder: join(installed, 'tensorflow', 'include'),
      source: 'installed',
    });
    const wheel = makeWheel(temporaryFolder(), NAME, tensorflowFiles('9.9.9'));
    await obtainTensorflow({ tensorflow: wheel }, silent);
    expect(await findTensorflow()).toMatchObject({ version: '9.9.9', source: 'cache' });
    vi.stubEnv('POLYCOM_TENSORFLOW', site('3.2.0'));
    expect(await findTensorflow()).toMatchObject({ version: '3.2.0', source: 'given' });
    const folder = join(site('3.3.0'), 'tensorflow');
    expect(await findTensorflow({ tensorflow: folder })).toMatchObject({ version: '3.3.0', source: 'given' });
  });

  test('an installed one that is too old is passed over; a given one is refused', async () => {
    temporaryCache();
    const old = site('2.9.1');
    vi.stubEnv('PYTHONPATH', old);
    expect(await findTensorflow()).toBeUndefined();
    const error = await errorOf(findTensorflow({ tensorflow: old }));
    expect(error.message).toContain('2.9.1');
    expect(error.remedy).toContain('2.12.0');
  });

  test('a path that does not exist, or holds nothing, is refused with a remedy', async () => {
    const missing = await errorOf(findTensorflow({ tensorflow: join(temporaryFolder(), 'nowhere') }));
    expect(missing).toMatchObject({ code: 'TENSORFLOW_NOT_FOUND', remedy: expect.stringContaining('wheel') });
    const empty = await errorOf(findTensorflow({ tensorflow: temporaryFolder() }));
    expect(empty.remedy).toContain('libtensorflow_cc.so.2');
  });

  test('versions compare by number', () => {
    expect(isAtLeast('2.12.0', '2.12.0')).toBe(true);
    expect(isAtLeast('2.9.1', '2.12.0')).toBe(false);
    expect(isAtLeast('2.21.0-rc1', '2.12.0')).toBe(true);
    expect(isAtLeast('3.0', '2.12.0')).toBe(true);
  });
});

describe.runIf(process.platform === 'linux' && process.arch === 'x64')('fetching', () => {
  const fetchWith = (script?: string): Promise<PolycomError> => {
    temporaryCache();
    vi.stubEnv('PATH', pathWith(script));
    return errorOf(obtainTensorflow({}, silent));
  };

  test('without python3 the error says how to get it', async () => {
    const error = await fetchWith();
    expect(error).toMatchObject({
      code: 'TENSORFLOW_NOT_FOUND',
      remedy: expect.stringContaining('python3-pip'),
    });
  });

  test('without pip the error says how to get it', async () => {
    const error = await fetchWith('echo "python3: No module named pip" >&2; exit 1');
    expect(error.message).toContain('no pip');
    expect(error.remedy).toContain('ensurepip');
  });

  test("pip's last lines are in the error, and nothing is left behind", async () => {
    const error = await fetchWith('echo "ERROR: No matching distribution found" >&2; exit 1');
    expect(error.message).toContain('No matching distribution');
    expect(error.remedy).toContain(PINNED.file);
    expect(readdirSync(join(process.env.POLYCOM_CACHE ?? '', 'tensorflow'))).toEqual([]);
  });

  test('a wheel with another SHA-256 is refused, and nothing is left behind', async () => {
    const save = `while [ "$1" != --dest ]; do [ $# = 0 ] && exit 0; shift; done; echo x > "$2/${PINNED.file}"`;
    const error = await fetchWith(save);
    expect(error.message).toContain('SHA-256');
    expect(error.remedy).toContain(PINNED.sha256);
    expect(readdirSync(join(process.env.POLYCOM_CACHE ?? '', 'tensorflow'))).toEqual([]);
  });
});

describe('the packages', () => {
  test("resolve from the project's folder, else from this package", () => {
    const project = makeProject();
    const names = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];
    expect(resolvePackages(project).map(({ name }) => name)).toEqual(names);
    expect(resolvePackages(project).every(({ folder }) => folder.startsWith(project))).toBe(true);
    expect(resolvePackage(names[1] ?? '', temporaryFolder())?.folder.startsWith(ROOT)).toBe(true);
    expect(resolvePackage('@tensorflow/not-there', project)).toBeUndefined();
  });

  test('a binding is installed once, and again when it differs', async () => {
    const [tfjs] = resolvePackages(makeProject());
    if (tfjs === undefined) throw new Error('no package');
    const binding = join(temporaryFolder(), 'tfjs_binding.node');
    writeFileSync(binding, 'first');
    expect(await installBinding(binding, tfjs)).toBe(true);
    expect(await installBinding(binding, tfjs)).toBe(false);
    appendFileSync(binding, ', changed');
    expect(await installBinding(binding, tfjs)).toBe(true);
    expect(readFileSync(tfjs.binding, 'utf8')).toBe('first, changed');
  });

  test('neither installed: the error says how to install one', async () => {
    vi.resetModules();
    vi.doMock('../../src/tensorflow/link/packages.js', () => ({ resolvePackages: () => [] }));
    const { linkTensorflow: link } = await import('../../src/tensorflow/link/index.js');
    vi.doUnmock('../../src/tensorflow/link/packages.js');
    await expect(link()).rejects.toMatchObject({
      code: 'LIBRARY_NOT_FOUND',
      remedy: expect.stringContaining('npm install'),
    });
  });

  test('another system than Linux is told what it can do', async () => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin');
    expect(await errorOf(linkTensorflow())).toMatchObject({
      code: 'UNSUPPORTED',
      remedy: expect.any(String),
    });
  });
});

describe.runIf(process.platform === 'linux')('building the binding', () => {
  const linkFake = (): Promise<PolycomError> => {
    temporaryCache();
    const tensorflow = temporaryFolder();
    writeFiles(tensorflow, tensorflowFiles('9.9.9'));
    return errorOf(linkTensorflow({ tensorflow, projectFolder: makeProject() }));
  };

  test('without a compiler the error says how to get one', async () => {
    vi.stubEnv('CXX', 'no-such-compiler');
    expect(await linkFake()).toMatchObject({
      code: 'BUILD_FAILED',
      remedy: expect.stringContaining('apt install g++'),
    });
  });

  test.runIf(compiler)("the compiler's last lines are in the error, and nothing is left behind", async () => {
    const error = await linkFake();
    expect(error.code).toBe('BUILD_FAILED');
    expect(error.message).toMatch(/error/);
    expect(readdirSync(join(process.env.POLYCOM_CACHE ?? '', 'binding'))).toEqual([]);
  });
});

describe.runIf(process.platform === 'linux')('for real, from the shared cache', () => {
  /** Links, or says why this machine cannot: the tests below are then skipped. */
  const link = async (options: Parameters<typeof linkTensorflow>[0]): Promise<LinkResult | string> => {
    try {
      return await linkTensorflow(options);
    } catch (error) {
      if (error instanceof PolycomError && error.code === 'TENSORFLOW_NOT_FOUND') return error.message;
      throw error;
    }
  };

  test.runIf(compiler)(
    'both packages are linked, stay linked, and are relinked without compiling',
    async (context) => {
      const projectFolder = makeProject();
      const first = await link({ projectFolder });
      if (typeof first === 'string') return context.skip(first);
      expect(first.packages.map(({ action }) => action)).toEqual(['linked', 'linked']);
      const second = await linkTensorflow({ projectFolder });
      expect(second.packages.map(({ action }) => action)).toEqual(['already linked', 'already linked']);
      for (const { folder } of first.packages) rmSync(join(folder, 'lib'), { recursive: true });
      const lines: string[] = [];
      const third = await linkTensorflow({ projectFolder, onProgress: (line) => lines.push(line) });
      expect(third.packages.map(({ action }) => action)).toEqual(['linked', 'linked']);
      expect(lines.join('\n')).not.toContain('compiling');
    },
    300_000,
  );

  test.runIf(compiler)(
    "this checkout's packages run on it, also when a worker alone loads them",
    async (context) => {
      const result = await link({ projectFolder: ROOT, check: true, verify: true });
      if (typeof result === 'string') return context.skip(result);
      const libraries = ['libtensorflow_framework.so.2', 'libtensorflow_cc.so.2'];
      const code = `import { Worker } from 'node:worker_threads';
const held = ${JSON.stringify(libraries.map((name) => join(result.tensorflow.libraryFolder, name)))};
const source = \`
  const koffi = require(${JSON.stringify(join(ROOT, 'node_modules/koffi'))});
  globalThis.held = \${JSON.stringify(held)}.map((path) => koffi.load(path));
  require('node:util').isNullOrUndefined ??= (value) => value == null;
  const tf = require(${JSON.stringify(result.packages[0]?.folder)});
  require('node:worker_threads').parentPort.postMessage(tf.add([1], [2]).dataSync()[0]);\`;
new Worker(source, { eval: true }).on('message', (sum) => console.log('sum', sum));`;
      const child = await runTypeScript(code);
      expect(child).toMatchObject({ status: 0, stdout: 'sum 3\n' });
    },
    300_000,
  );
});
