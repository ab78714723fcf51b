import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { resolvePackages } from '../../src/tensorflow/link/packages.js';
import { loadTfjsNode } from '../../src/tensorflow/load.js';
import { allocatorLimit, type Prepared } from '../../src/tensorflow/prepare.js';
import {
  makeProject,
  ROOT,
  removeFolders,
  runTypeScript,
  temporaryFolder,
  writeFiles,
} from './link-harness.js';

const PREPARE = JSON.stringify(join(ROOT, 'src/tensorflow/prepare.ts'));
const TSX = import.meta.resolve('tsx/esm/api');
const LOAD = JSON.stringify(join(ROOT, 'src/tensorflow/load.ts'));
const TFJS = JSON.stringify(join(ROOT, 'node_modules/@tensorflow/tfjs-node'));
const OURS = [
  'TF_CPU_ALLOCATOR_USE_BFC',
  'TF_CPU_BFC_MEM_LIMIT_IN_MB',
  'TF_FORCE_GPU_ALLOW_GROWTH',
  'TF_CPP_MIN_LOG_LEVEL',
];
const UNSET: NodeJS.ProcessEnv = Object.fromEntries(
  [...OURS, 'POLYCOM_TF_ALLOCATOR', 'POLYCOM_QUIET'].map((name) => [name, undefined]),
);
const linked = resolvePackages(ROOT).filter(({ binding }) => existsSync(binding));
if (linked.length < 2) console.warn('skipped: the tests that load TensorFlow: run tf-link first');

afterEach(() => vi.unstubAllEnvs());
afterAll(removeFolders);

/** Runs `code` in a process of its own, where `prepareProcess` is imported; returns the JSON that it prints last. */
async function inChild<T>(code: string, env: NodeJS.ProcessEnv = {}): Promise<{ value: T; stderr: string }> {
  const imports = `import { createRequire } from 'node:module';
import { prepareProcess } from ${PREPARE};
import { loadTfjsNode } from ${LOAD};
const require = createRequire(import.meta.url);
`;
  const { status, stdout, stderr } = await runTypeScript(imports + code, { ...UNSET, ...env });
  expect(status, stderr).toBe(0);
  return { value: JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as T, stderr };
}

describe('prepareProcess', () => {
  test('sets the four variables, once', async () => {
    const code = 'console.log(JSON.stringify([prepareProcess(), prepareProcess(), process.env]));';
    const { value } = await inChild<[Prepared, Prepared, Record<string, string>]>(code);
    const [first, second, env] = value;
    expect(Object.keys(first.environment)).toEqual(OURS);
    expect(second).toEqual({ environment: {}, polyfilled: [] });
    for (const name of OURS) expect(env[name]).toBe(first.environment[name]);
    expect(Number(env.TF_CPU_BFC_MEM_LIMIT_IN_MB)).toBe(allocatorLimit());
  });

  test("leaves the user's values alone", async () => {
    const env = { TF_CPP_MIN_LOG_LEVEL: '0', TF_CPU_BFC_MEM_LIMIT_IN_MB: '512' };
    const { value } = await inChild<Prepared>('console.log(JSON.stringify(prepareProcess()));', env);
    expect(Object.keys(value.environment)).toEqual(['TF_CPU_ALLOCATOR_USE_BFC', 'TF_FORCE_GPU_ALLOW_GROWTH']);
  });

  test('POLYCOM_TF_ALLOCATOR=default leaves the allocator alone', async () => {
    const env = { POLYCOM_TF_ALLOCATOR: 'default' };
    const { value } = await inChild<Prepared>('console.log(JSON.stringify(prepareProcess()));', env);
    expect(Object.keys(value.environment)).toEqual(['TF_FORCE_GPU_ALLOW_GROWTH', 'TF_CPP_MIN_LOG_LEVEL']);
  });

  test('puts back the function that Node 23 removed', async () => {
    const code = `const util = require('node:util');
delete util.isNullOrUndefined;
const { polyfilled } = prepareProcess();
console.log(JSON.stringify([polyfilled, util.isNullOrUndefined(undefined), util.isNullOrUndefined(0)]));`;
    expect((await inChild(code)).value).toEqual([['util.isNullOrUndefined'], true, false]);
  });

  test('sets nothing in a worker thread', async () => {
    const code = `import { Worker } from 'node:worker_threads';
const source = \`import(${JSON.stringify(TSX)}).then(async ({ register }) => {
  register();
  const { prepareProcess } = await import(${PREPARE});
  require('node:worker_threads').parentPort.postMessage(prepareProcess());
});\`;
new Worker(source, { eval: true }).on('message', (found) => {
  console.log(JSON.stringify([found, process.env.TF_CPP_MIN_LOG_LEVEL ?? null]));
});`;
    const { value } = await inChild<[Prepared, string | null]>(code);
    expect(value).toEqual([
      { environment: {}, polyfilled: expect.any(Array), skipped: 'worker thread' },
      null,
    ]);
  });

  test('the limit is three quarters of the memory that the machine or the container allows', () => {
    const GiB = 2 ** 30;
    expect(allocatorLimit(16 * GiB, 0)).toBe(12 * 1024);
    expect(allocatorLimit(16 * GiB, 4 * GiB)).toBe(3 * 1024);
    expect(allocatorLimit(16 * GiB, 2 ** 63)).toBe(12 * 1024);
  });

  test.runIf(linked.length === 2)('says once that TensorFlow was there first', async () => {
    const code = `require('node:util').isNullOrUndefined ??= (value) => value == null;
require(${TFJS});
const found = prepareProcess();
prepareProcess();
console.log(JSON.stringify(found));`;
    const { value, stderr } = await inChild<Prepared>(code);
    expect(value).toMatchObject({ environment: {}, skipped: 'TensorFlow is loaded' });
    expect(stderr.match(/polycom: TensorFlow was loaded before polycom/g)).toHaveLength(1);
  });

  test.runIf(linked.length === 2)('says nothing where the order is not that of the imports', async () => {
    const code = `require('node:util').isNullOrUndefined ??= (value) => value == null;
require(${TFJS});
console.log(JSON.stringify(prepareProcess()));`;
    const { value, stderr } = await inChild<Prepared>(code, { JEST_WORKER_ID: '1' });
    expect(value).toMatchObject({ environment: {}, skipped: 'TensorFlow is loaded' });
    expect(stderr).not.toMatch(/polycom:/);
  });

  test.runIf(linked.length === 2)('TensorFlow reuses the memory of freed tensors', async () => {
    const code = `const { tf } = loadTfjsNode();
const x = tf.zeros([2048, 2048]);
for (let i = 0; i < 3; ++i) tf.relu(x).dispose();
const before = process.resourceUsage().minorPageFault;
for (let i = 0; i < 10; ++i) tf.relu(x).dispose();
console.log(JSON.stringify((process.resourceUsage().minorPageFault - before) / 10));`;
    const env = { TF_ENABLE_ONEDNN_OPTS: '0' };
    const pages = (2048 * 2048 * 4) / 4096;
    expect((await inChild<number>(code, env)).value).toBeLessThan(pages / 10);
    const stock = { ...env, POLYCOM_TF_ALLOCATOR: 'default' };
    expect((await inChild<number>(code, stock)).value).toBeGreaterThan(pages / 10);
  });
});

describe('loadTfjsNode', () => {
  test('says what is missing, and names tf-link', () => {
    const project = makeProject();
    expect(loadTfjsNode(project)).toMatchObject({
      loaded: false,
      state: 'not linked',
      packageName: '@tensorflow/tfjs-node-gpu',
      remedy: expect.stringContaining('npx polycom tf-link'),
    });
    writeFiles(join(project, 'node_modules/@tensorflow/tfjs-node/lib/napi-v8'), {
      'tfjs_binding.node': 'broken',
    });
    expect(loadTfjsNode(project)).toMatchObject({ state: 'failed', packageName: '@tensorflow/tfjs-node' });
    vi.stubEnv('POLYCOM_TFJS_PACKAGE', '@tensorflow/not-there');
    expect(loadTfjsNode(temporaryFolder())).toMatchObject({
      state: 'not installed',
      packageName: '@tensorflow/not-there',
      remedy: expect.stringContaining('npx polycom tf-link'),
    });
  });

  const REPORT = `const found = loadTfjsNode();
const { add } = found.tf;
const held = globalThis[Symbol.for('polycom.handles')].includes(found.binding);
console.log(JSON.stringify([found.packageName, add([1], [2]).dataSync()[0], typeof found.binding.TF_Version, held]));`;

  test.runIf(linked.length === 2)(
    'prefers tfjs-node-gpu, then the one named, then the one loaded',
    async () => {
      const rest = [3, 'string', true];
      expect((await inChild(REPORT)).value).toEqual(['@tensorflow/tfjs-node-gpu', ...rest]);
      const named = { POLYCOM_TFJS_PACKAGE: '@tensorflow/tfjs-node' };
      expect((await inChild(REPORT, named)).value).toEqual(['@tensorflow/tfjs-node', ...rest]);
      const loaded = `prepareProcess(); require(${TFJS});\n${REPORT}`;
      expect((await inChild(loaded)).value).toEqual(['@tensorflow/tfjs-node', ...rest]);
    },
  );
});
