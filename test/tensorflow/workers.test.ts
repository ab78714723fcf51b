import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { hasBinding, resolvePackages } from '../../src/tensorflow/link/packages.js';
import { native } from '../native/harness.js';
import { ROOT, removeFolders, runTypeScript } from './link-harness.js';

const linked = resolvePackages(ROOT).some(hasBinding);
if (!linked || native === undefined) {
  console.warn(
    'skipped: the tests of workers beside TensorFlow: they need it linked, and the native library',
  );
}
afterAll(removeFolders);

const source = (path: string): string => JSON.stringify(pathToFileURL(join(ROOT, 'src', path)).href);
const installed = (name: string): string =>
  JSON.stringify(pathToFileURL(createRequire(import.meta.url).resolve(name)).href);

/** The same gradient in each kind of thread: `compute` gives its values, after `begin`. */
const KINDS = {
  fused: `
    const { tensorflowStatus } = await import(${source('tensorflow/index.ts')});
    if (!tensorflowStatus.fused) throw new Error(tensorflowStatus.missing);
    const tf = await import(${installed('@tensorflow/tfjs-core')});
    const { polyNorm } = await import(${source('index.ts')});
    await tf.setBackend('tensorflow');
    const compute = () => tf.tidy(() => {
      const x = tf.tensor(values, [ROWS, COLS]);
      return tf.grad((t) => polyNorm(t, WEIGHT, BIAS))(x, tf.onesLike(x)).dataSync();
    });`,
  composed: `
    await import(${installed('@tensorflow/tfjs')});
    const tf = await import(${installed('@tensorflow/tfjs-core')});
    const { polyNorm } = await import(${source('index.ts')});
    await tf.setBackend('cpu');
    const compute = () => tf.tidy(() => {
      const x = tf.tensor(values, [ROWS, COLS]);
      return tf.grad((t) => polyNorm(t, WEIGHT, BIAS))(x, tf.onesLike(x)).dataSync();
    });`,
  native: `
    const { DeviceTensor, loadNative } = await import(${source('native/index.ts')});
    const queue = loadNative().createQueue();
    const tensor = (data, shape) => DeviceTensor.fromArray(queue, data, shape);
    const compute = () => {
      const [x, dy] = [values, new Float32Array(values.length).fill(1)].map((data) => tensor(data, [ROWS, COLS]));
      const inputs = [x, tensor(WEIGHT, [3]), tensor([BIAS], []), dy];
      const [dx] = queue.call('polynorm_backward', { inputs, scalars: [1e-6, 0], outputs: 3 });
      x.dispose(); // the others are left to their finalisers
      return dx.toArraySync();
    };`,
};
type Kind = keyof typeof KINDS;

const SHARED = `
  const [ROWS, COLS, WEIGHT, BIAS] = [60, 2000, [0.5, -0.3, 0.7], 0.1];
  const values = Float32Array.from({ length: ROWS * COLS }, (_, i) => Math.sin(i * i));
`;

/** A worker's code: it says that it is at work, and goes on until it is ended, or gives its last values and ends. */
function worker(kind: Kind): string {
  return `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))}).then(async ({ register }) => {
    register();
    const { parentPort, workerData } = await import('node:worker_threads');
    ${SHARED} ${KINDS[kind]}
    for (let i = 0; workerData.forever || i < 5; ++i) {
      compute();
      if (i === 2) parentPort.postMessage('at work');
      await new Promise((resolve) => setImmediate(resolve));
    }
    parentPort.postMessage(compute());
  });`;
}

/** What one worker left: its exit status, and how far its values are from the main thread's. */
interface Left {
  readonly kind: Kind;
  readonly forever: boolean;
  readonly exit: number;
  readonly error?: number;
}

/**
 * Runs workers of these kinds, one of each that ends and one that is ended, in a process whose main thread runs `main`
 * first, and then its own ops for as long as they live.
 */
async function runWorkers(kinds: readonly Kind[], main: string): Promise<readonly Left[]> {
  const codes = JSON.stringify(Object.fromEntries(kinds.map((kind) => [kind, worker(kind)])));
  const { status, stdout, stderr } = await runTypeScript(
    `import { Worker } from 'node:worker_threads';
    ${SHARED} ${main}
    const mine = compute();
    const start = ([kind, code, forever]) => new Promise((resolve, reject) => {
      const left = { kind, forever };
      const worker = new Worker(code, { eval: true, workerData: { forever } });
      worker.on('error', reject);
      worker.on('message', (message) => {
        if (message !== 'at work') left.error = Math.max(...message.map((value, i) => Math.abs(value - mine[i])));
        else if (forever) worker.terminate();
      });
      worker.on('exit', (exit) => resolve({ ...left, exit }));
    });
    const all = Object.entries(${codes}).flatMap(([kind, code]) => [[kind, code, false], [kind, code, true]]);
    let running = true;
    const ended = Promise.all(all.map(start)).finally(() => { running = false; });
    while (running) {
      if (compute().some((value, i) => value !== mine[i])) throw new Error('the main thread has other values');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    console.log(JSON.stringify(await ended));`,
    { POLYCOM_QUIET: '1', TF_CPP_MIN_LOG_LEVEL: '2' },
  );
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as Left[];
}

function expectRight(left: readonly Left[], kinds: readonly Kind[]): void {
  expect(left).toHaveLength(2 * kinds.length);
  for (const { kind, forever, exit, error } of left) {
    expect(exit, kind).toBe(forever ? 1 : 0);
    if (!forever) expect(error, kind).toBeLessThan(1e-4);
  }
}

describe.skipIf(!linked || native === undefined)('workers, beside TensorFlow', { timeout: 180_000 }, () => {
  test('use the ops natively and as compositions while the main thread has them in TensorFlow', async () => {
    const kinds = ['native', 'composed'] as const;
    expectRight(await runWorkers(kinds, KINDS.fused), kinds);
  });

  test('have the ops that the main thread registered in TensorFlow', async () => {
    expectRight(await runWorkers(['fused'], KINDS.fused), ['fused']);
  });

  test('may be alone in having TensorFlow', async () => {
    expectRight(await runWorkers(['fused'], KINDS.native), ['fused']);
  });

  test('may register the ops all at once', async () => {
    const code = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))}).then(async ({ register }) => {
      register();
      const { parentPort, workerData } = await import('node:worker_threads');
      const { loadNative } = await import(${source('native/index.ts')});
      ${REGISTER}
      Atomics.add(workerData, 0, 1);
      while (Atomics.load(workerData, 0) < 4);
      const statuses = [];
      for (let i = 0; i < 40; ++i) statuses.push(register_(\`PolycomTestRace\${i}\`, 'relu_forward', 'x', 'y', ''));
      parentPort.postMessage(statuses);
    });`;
    const { status, stdout, stderr } = await runTypeScript(
      `import { Worker } from 'node:worker_threads';
      await import(${source('tensorflow/index.ts')});
      const workerData = new Int32Array(new SharedArrayBuffer(4));
      const said = await Promise.all(Array.from({ length: 4 }, () => new Promise((resolve, reject) => {
        new Worker(${JSON.stringify(code)}, { eval: true, workerData }).on('message', resolve).on('error', reject);
      })));
      console.log(JSON.stringify(said.flat()));`,
    );
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual(new Array(160).fill(0));
  });

  test('and whoever registers what cannot be is refused, without the end of the process', async () => {
    const { status, stdout, stderr } = await runTypeScript(
      `await import(${source('tensorflow/index.ts')});
      const { loadNative } = await import(${source('native/index.ts')});
      ${REGISTER}
      const again = () => register_('PolycomTestV1', 'polynorm_forward', 'x,weight,bias', 'y', 'epsilon,norm');
      console.log(JSON.stringify({
        same: [again(), again()],
        others: [
          register_('PolycomTestV1', 'relu_forward', 'x', 'y', ''),
          register_('PolycomTestV1', 'polynorm_forward', 'x,weight,bias', 'y', 'epsilon'),
          register_('PolycomTestV1', 'polynorm_forward', 'a+b,weight,bias', 'y', 'epsilon,norm'),
          register_('Relu', 'relu_forward', 'x', 'y', ''),
          register_('MatMul', 'relu_forward', 'x', 'y', ''),
        ],
        names: ['', 'lower', '1Up', 'With space', 'Semi;colon', 'Ümlaut', 'A:B'].map((name) =>
          register_(name, 'relu_forward', 'x', 'y', '')),
        tensors: ['X', '', 'x,,z', 'x,x', 'y', 'a b', '+', 'a+', 'x: int32', 'polycom_op', 'é', 'x\\n'].map((names, i) =>
          register_('PolycomTestTensors' + i, 'relu_forward', names, 'y', '')),
        scalars: ['x', 'e,e', 'E', ',', 'T: type'].map((names, i) =>
          register_('PolycomTestScalars' + i, 'relu_forward', 'x', 'y', names)),
        many: [
          register_('PolycomTestMany', 'relu_forward', Array.from({ length: 17 }, (_, i) => 'x' + i).join(), 'y', ''),
          register_('PolycomTestMany', 'relu_forward', 'x', 'y', Array.from({ length: 9 }, (_, i) => 's' + i).join()),
        ],
      }));`,
    );
    expect(status, stderr).toBe(0);
    const INVALID = 1;
    const { same, tensors, ...refused } = JSON.parse(stdout) as Record<string, number[]>;
    expect(same).toEqual([0, 0]);
    // 'a+' is a lowercase word, as `a_`, and 'no inputs' is what '' says.
    expect(tensors!.filter((status) => status === 0)).toHaveLength(2);
    for (const [what, statuses] of Object.entries(refused)) {
      expect(statuses, what).toEqual(statuses.map(() => INVALID));
    }
  });
});

/** `register_`: pc_tensorflow_register, whose functions are an op's. */
const REGISTER = `
  const library = loadNative();
  const register_ = (name, op, ...names) =>
    library.function('pc_tensorflow_register', 'int32_t', ['str', 'void *', 'void *', 'str', 'str', 'str'])(
      name, library.symbol('pc_' + op), library.symbol('pc_' + op + '_plan'), ...names);
`;
