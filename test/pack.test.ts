import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageFolder } from '../src/common/package.js';
import type { DoctorDocument } from '../src/doctor/types.js';
import { findTools } from '../src/native/tools.js';

const MINUTES = 60_000;
const root = mkdtempSync(join(tmpdir(), 'polycom pack ')); // paths with spaces
const project = join(root, 'project');
const cache = join(root, 'cache');
const TFJS = ['@tensorflow/tfjs-core@4.22.0', '@tensorflow/tfjs-backend-cpu@4.22.0'];

const obstacle = await findObstacle();
if (obstacle !== undefined) console.warn(`skipped: installing the package as a consumer: ${obstacle}`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function findObstacle(): Promise<string | undefined> {
  const tools = (await findTools()).filter(({ name }) => ['cmake', 'compiler', 'make'].includes(name));
  const missing = tools.find(({ program }) => program === undefined);
  if (missing !== undefined) return `no ${missing.name}`;
  const view = ['view', 'koffi', 'version', '--fetch-retries=0', '--fetch-timeout=20000'];
  const { status } = spawnSync('npm', view, { encoding: 'utf8', timeout: MINUTES });
  return status === 0 ? undefined : 'npm reaches no registry';
}

interface PackedFile {
  readonly path: string;
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in the project, without what this checkout's environment says. */
function run(program: string, args: readonly string[]): Ended {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|POLYCOM_|NODE_OPTIONS)/.test(name),
  );
  const env = { ...Object.fromEntries(inherited), POLYCOM_CACHE: cache };
  return spawnSync(program, args, { cwd: project, env, encoding: 'utf8', maxBuffer: 1 << 26 });
}

/** Runs a module in the project. */
function script(name: string, source: string): Ended {
  writeFileSync(join(project, name), source);
  return run(process.execPath, [name]);
}

function linesThatName(text: string, what: string): string[] {
  return text.split('\n').filter((line) => line.includes(what));
}

const COMPOSED = `import '@tensorflow/tfjs-backend-cpu';
import { polyNorm, relu2 } from 'polycom';
import { findNative } from 'polycom/native';
const y = polyNorm([[1, 2], [3, 4]], [1, 1, 1], 0);
relu2([1, 2]);
const native = findNative();
console.log(JSON.stringify([y.shape, Array.from(relu2([1, -2, 3]).dataSync()), native.found, native.reason ?? null]));`;

const NATIVE = `import { DeviceTensor, loadNative } from 'polycom/native';
const native = loadNative();
const queue = native.createQueue();
const x = { data: Float32Array.of(1, -2, 3), shape: [3] };
const [y] = queue.call('relu2_forward', { inputs: [x], scalars: [0] });
const owned = DeviceTensor.fromArray(queue, [1, -2, 3], [3]);
const [z] = queue.call('relu2_forward', { inputs: [owned], scalars: [0] });
console.log(JSON.stringify([native.path, Array.from(y.data), Array.from(z.toArraySync())]));
queue.dispose();`;

describe.skipIf(obstacle !== undefined)('the package, installed where scripts are blocked', () => {
  let files: string[];

  beforeAll(() => {
    const tsc = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');
    execFileSync(process.execPath, [tsc, '-p', join(packageFolder, 'tsconfig.build.json')]);
    const pack = ['pack', '--json', '--pack-destination', root];
    const packed = execFileSync('npm', pack, { cwd: packageFolder, encoding: 'utf8' });
    const [{ filename, files: list }] = JSON.parse(packed) as [{ filename: string; files: PackedFile[] }];
    files = list.map(({ path }) => path);
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }');
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const installed = run('npm', ['install', ...quiet, join(root, filename), ...TFJS]);
    expect(installed.status, installed.stderr).toBe(0);
  }, 5 * MINUTES);

  test('holds what it needs, and nothing else', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'CMakeLists.txt',
        'LICENSE',
        'dist/cli/main.js',
        'dist/index.d.ts',
        'dist/verify/child.js',
        'native/include/polycom.h',
        'src/checkpoint/python/modeling_polycom.py',
      ]),
    );
    const others = files.filter((path) => !/^(dist|native|src)\//.test(path));
    expect(['CMakeLists.txt', 'LICENSE', 'README.md', 'package.json']).toEqual(
      expect.arrayContaining(others),
    );
    expect(files.filter((path) => /\.tsbuildinfo$|\.test\./.test(path))).toEqual([]);
  });

  test('falls back to compositions, and one line names the build', () => {
    const { status, stdout, stderr } = script('composed.mjs', COMPOSED);
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual([[2, 2], [1, 0, 9], false, 'the native library has not been built']);
    expect(linesThatName(stderr, 'npx polycom build')).toHaveLength(1);
    expect(linesThatName(stderr, 'polycom:')).toHaveLength(1);
  });

  test('says it in one line too where polycom/tensorflow is imported', () => {
    const { status, stderr } = script('tensorflow.mjs', `import 'polycom/tensorflow';\n${COMPOSED}`);
    expect(status, stderr).toBe(0);
    expect(linesThatName(stderr, 'npx polycom build')).toHaveLength(1);
    expect(linesThatName(stderr, 'polycom:')).toHaveLength(1);
    expect(stderr).toMatch(/tfjs-node is not installed/);
  });

  test('takes what is missing as normal', () => {
    const { status, stdout } = run('npx', ['polycom', 'doctor', '--json']);
    const document = JSON.parse(stdout) as DoctorDocument;
    expect([status, document.native.state, document.tensorflow.state]).toEqual([0, 'absent', 'absent']);
    expect(JSON.stringify(document.native)).toContain('npx polycom build');
    expect(run('npx', ['polycom', 'doctor', '--device', 'cpu']).status).toBe(1);
  });

  test(
    'compiles the library, with progress, and then runs the native ops',
    () => {
      const built = run('npx', ['polycom', 'build', '--no-cuda']);
      expect(built.status, built.stderr).toBe(0);
      expect(built.stdout).toMatch(/^built .*libpolycom.* in \d+ s$/m);
      expect(built.stderr).toMatch(/^compiling libpolycom .* about \d+ (minutes|seconds) on \d+ CPUs?\n/);
      const { status, stdout, stderr } = script('native.mjs', NATIVE);
      expect(status, stderr).toBe(0);
      const [path, ...results] = JSON.parse(stdout) as [string, number[], number[]];
      expect(path.startsWith(cache)).toBe(true);
      expect(results).toEqual([
        [1, 0, 9],
        [1, 0, 9],
      ]);
      expect(run('npx', ['polycom', 'build', '--no-cuda']).stdout).toMatch(/is up to date/);
      expect(run('npx', ['polycom', 'doctor', '--device', 'cpu', '--json']).status).toBe(0);
      const verified = run('npx', ['polycom', 'verify', '--backend', 'native', '--device', 'cpu']);
      expect(verified.stdout).toMatch(/^[1-9]\d* checks passed, 0 failed\n$/m);
      const { stderr: after } = script('tensorflow.mjs', `import 'polycom/tensorflow';\n${COMPOSED}`);
      expect(after).toMatch(/tfjs-node is not installed/);
      expect(linesThatName(after, 'npx polycom build')).toEqual([]);
    },
    20 * MINUTES,
  );
});
