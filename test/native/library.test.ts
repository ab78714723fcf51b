import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { builtLibraryFolder, libraryFile } from '../../src/native/find.js';
import { ABI_VERSION } from '../../src/native/library.js';
import { native } from './harness.js';

const folder = mkdtempSync(join(tmpdir(), 'polycom-library-'));
afterAll(() => rmSync(folder, { recursive: true }));
const compiler = spawnSync('c++', ['--version']).status === 0;
if (!compiler) console.warn('skipped: the tests that compile a library: no c++');
const SOURCE = JSON.stringify(new URL('../../src/', import.meta.url).pathname);

/** Runs code that sees `findNative`, `loadNative` and `root`; what it returns comes back. */
function inChild<T>(code: string, env: NodeJS.ProcessEnv): T {
  const script = `const root = ${SOURCE};
    const { findNative, loadNative } = await import(root + 'native/library.ts');
    const result = await (async () => { ${code} })();
    process.stdout.write(JSON.stringify(result));`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  return JSON.parse(
    execFileSync(process.execPath, args, { env: { ...process.env, ...env }, encoding: 'utf8' }),
  ) as T;
}

function compile(name: string, source: string): string {
  const path = join(folder, `${name}.so`);
  writeFileSync(join(folder, `${name}.cpp`), source);
  execFileSync('c++', ['-shared', '-fPIC', '-o', path, join(folder, `${name}.cpp`)]);
  return path;
}

const STATE = 'const n = findNative(); return n.found ? { path: n.path } : n;';
interface State {
  path?: string;
  reason?: string;
  remedy?: string;
}

describe('finding the library', () => {
  test.skipIf(native === undefined)('takes what POLYCOM_LIBRARY names', () => {
    expect(inChild<State>(STATE, { POLYCOM_LIBRARY: native!.path }).path).toBe(native!.path);
  });

  test('looks nowhere else when POLYCOM_LIBRARY is wrong, and says so', () => {
    const { path, reason, remedy } = inChild<State>(STATE, { POLYCOM_LIBRARY: join(folder, 'absent.so') });
    expect(path).toBeUndefined();
    expect(reason).toMatch(/absent\.so/);
    expect(remedy).toMatch(/POLYCOM_LIBRARY/);
  });

  test('is an error to those who need it', () => {
    const code = 'try { loadNative(); } catch (error) { return [error.name, error.code, error.remedy]; }';
    const error = inChild<string[]>(code, { POLYCOM_LIBRARY: join(folder, 'absent.so') });
    expect(error.slice(0, 2)).toEqual(['PolycomError', 'LIBRARY_NOT_FOUND']);
  });

  test('is missing, and no crash on import, where koffi does not load', () => {
    const code = `const { createRequire } = await import('node:module');
      const require = createRequire(root + 'native/koffi.ts');
      require.cache[require.resolve('koffi')] = { get exports() { throw new Error('no binary'); }, loaded: true };
      await import(root + 'index.ts');
      const again = await import(root + 'native/index.ts');
      return again.findNative();`;
    const state = inChild<State>(code, {});
    expect(state.reason).toMatch(/koffi does not load: no binary/);
    expect(state.remedy).toMatch(/npm install koffi/);
  });

  test('takes no file that is not a library', () => {
    const path = join(folder, 'text.so');
    writeFileSync(path, 'not a library');
    expect(inChild<State>(STATE, { POLYCOM_LIBRARY: path }).reason).toMatch(/text\.so/);
  });

  test.skipIf(!compiler)('takes no library of another ABI', () => {
    const path = compile('other-abi', 'extern "C" int pc_abi_version() { return 99; }');
    const { reason } = inChild<State>(STATE, { POLYCOM_LIBRARY: path });
    expect(reason).toContain(`ABI version 99; expected ${ABI_VERSION}`);
  });

  test.skipIf(!compiler)('takes no library that is something else', () => {
    const path = compile('foreign', 'extern "C" int something() { return 1; }');
    expect(inChild<State>(STATE, { POLYCOM_LIBRARY: path }).reason).toMatch(/pc_abi_version/);
  });

  test('keeps a build in the cache apart for each version and platform', () => {
    const before = process.env.POLYCOM_CACHE;
    process.env.POLYCOM_CACHE = join(folder, 'cache');
    expect(builtLibraryFolder()).toMatch(/cache\/native\/\d+\.\d+\.\d+.*-(linux|darwin)-/);
    mkdirSync(builtLibraryFolder(), { recursive: true });
    expect(join(builtLibraryFolder(), libraryFile)).toMatch(/libpolycom\./);
    if (before === undefined) delete process.env.POLYCOM_CACHE;
    else process.env.POLYCOM_CACHE = before;
  });
});

describe('importing the package', () => {
  test('loads no library and no TensorFlow', () => {
    const code = `await import(root + 'index.ts');
      const maps = (await import('node:fs')).readFileSync('/proc/self/maps', 'utf8');
      return /libpolycom|libtensorflow|koffi/.test(maps);`;
    const script = `const root = ${SOURCE}; const f = async () => { ${code} }; process.stdout.write(String(await f()));`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe('false');
  });
});
