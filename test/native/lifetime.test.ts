import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hosts, inChild, preamble } from './device-harness.js';

describe.each(hosts)('memory on $device', (host) => {
  if (host.library === undefined) return test.skip('needs the library', () => undefined);

  test('that is dropped is freed by a finaliser', () => {
    const script = `
      for (let i = 0; i < 200; ++i) DeviceTensor.alloc(queue, [1 << 18]);
      const before = library.memoryInUse(device);
      for (let i = 0; i < 100 && library.memoryInUse(device) > 0; ++i) { gc(); await turn(); }
      say([before, library.memoryInUse(device)]);
    `;
    expect(inChild(host, script)).toEqual({ status: 0, said: [[200 * 2 ** 20, 0]] });
  });

  test('that is dropped makes the collector run, as it knows of it', () => {
    const script = `
      let peak = 0;
      for (let i = 0; i < 400; ++i) {
        DeviceTensor.alloc(queue, [1 << 25]);
        peak = Math.max(peak, library.memoryInUse(device));
        await turn();
      }
      say(peak);
    `;
    const { status, said } = inChild(host, script);
    expect(status).toBe(0);
    expect(said[0]).toBeLessThan(400 * 2 ** 27 * 0.25);
  });

  test.each([{}, { EMULATED_NO_POOLS: '1' }])('does not grow over 10,000 steps, %j', (env) => {
    const script = `
      const values = new Float32Array(5000).fill(1);
      const step = async (i) => {
        const tensor = DeviceTensor.fromArray(queue, values, [values.length]);
        const [y] = queue.call('relu2_forward', { inputs: [tensor], scalars: [0] });
        tensor.dispose();
        y.dispose();
        if (i % 100 === 0) await turn(); // for the objects' own finalisers
      };
      for (let i = 0; i < 2000; ++i) await step(i);
      gc();
      const before = process.memoryUsage.rss();
      for (let i = 0; i < 10_000; ++i) await step(i);
      gc();
      say(library.memoryInUse(device));
      say((process.memoryUsage.rss() - before) / 2 ** 20);
    `;
    const { status, said } = inChild(host, script, env);
    expect(status).toBe(0);
    expect(said[0]).toBe(0);
    expect(said[1]).toBeLessThan(40); // of the 400 MB that were allocated
  });

  test('and work, in worker threads that end by themselves or are ended', () => {
    const script = `
      const { Worker } = await import('node:worker_threads');
      const tsx = ${JSON.stringify(import.meta.resolve('tsx/esm/api'))};
      const register = 'const { register } = await import(' + JSON.stringify(tsx) + '); register();';
      const code = register + ${JSON.stringify(preamble(host))} + \`
        const { parentPort, workerData } = await import('node:worker_threads');
        globalThis.kept = [];
        for (let i = 0; i < 50; ++i) {
          const x = DeviceTensor.fromArray(queue, new Float32Array(1000).fill(workerData), [1000]);
          const [y] = queue.call('relu2_forward', { inputs: [x], scalars: [0] });
          const waits = [queue.done(), queue.done()];
          const values = await y.toArray();
          if (!values.every((value) => value === workerData ** 2)) throw new Error('wrong values');
          await Promise.all(waits);
          kept.push(x, y);
        }
        parentPort.postMessage('done');
        if (workerData % 2 === 0) { queue.done(); setInterval(() => queue.done(), 1); }
      \`;
      const ended = [1, 2, 3, 4].map((workerData) => new Promise((resolve, reject) => {
        const url = 'data:text/javascript,' + encodeURIComponent(code);
        const worker = new Worker(new URL(url), { workerData });
        worker.on('error', reject);
        worker.on('message', () => { if (workerData % 2 === 0) worker.terminate(); });
        worker.on('exit', resolve);
      }));
      say(await Promise.all(ended));
      say(library.memoryInUse(device));
      await new Promise((resolve) => setTimeout(resolve, 100));
    `;
    const env = { EMULATED_CALLBACK_MS: '5' };
    expect(inChild(host, script, env)).toEqual({ status: 0, said: [[0, 1, 0, 1], 0] });
  });

  test.each(['', 'process.exit(0);', 'queue.dispose();'])(
    'may be live when the process ends, with a promise to come: %s',
    (end) => {
      const script = `
        globalThis.kept = [DeviceTensor.alloc(queue, [1000]), DeviceTensor.fromArray(queue, [1], [1])];
        queue.done();
        kept[1].toArray();
        ${end}
      `;
      expect(inChild(host, script, { EMULATED_CALLBACK_MS: '50' })).toEqual({ status: 0, said: [] });
    },
  );
});

const cuda = hosts.find(({ device }) => device === 'cuda')!;
describe.skipIf(cuda.library === undefined)('waiting for work that takes its time', () => {
  const env = { EMULATED_CALLBACK_MS: '300', UV_THREADPOOL_SIZE: '1' };

  test('is no longer for hundreds of promises than for one, and holds up neither JavaScript nor libuv', () => {
    const script = `
      const { stat } = await import('node:fs/promises');
      await queue.done();
      const start = performance.now();
      const settled = [];
      const waits = Array.from({ length: 300 }, () => queue.done().then(() => settled.push('wait')));
      await turn();
      await stat(process.execPath).then(() => settled.push('file'));
      await Promise.all(waits);
      say([settled[0], settled.length]);
      say(performance.now() - start);
    `;
    const { status, said } = inChild(cuda, script, { ...env, EMULATED_CALLBACK_MS: '1500' });
    expect(status).toBe(0);
    expect(said[0]).toEqual(['file', 301]);
    expect(said[1]).toBeLessThan(100 * 1500); // one after the other takes 300 times that
  });

  test('keeps the process until the promise is settled, and no longer', () => {
    const script = `
      await queue.done();
      say('settled');
      queue.done().then(() => say('again'));
    `;
    expect(inChild(cuda, script, env)).toEqual({ status: 0, said: ['settled', 'again'] });
  });

  test('may be cut short by the end of the process', () => {
    const script = `
      setTimeout(() => process.exit(0), 20);
      await queue.done();
      say('settled');
    `;
    expect(inChild(cuda, script, env)).toEqual({ status: 0, said: [] });
  });
});

const [cpu] = hosts;
describe.skipIf(cpu!.library === undefined)('without the addon', () => {
  test('arrays do, and a tensor says what to build', () => {
    const folder = mkdtempSync(join(tmpdir(), 'polycom-lone-library-'));
    const path = join(folder, 'lone.so');
    copyFileSync(cpu!.library!.path, path);
    const script = `
      const { DeviceTensor, loadNative } = await import(
        ${JSON.stringify(new URL('../../src/native/index.ts', import.meta.url).pathname)});
      const queue = loadNative().createQueue();
      const [y] = queue.call('relu2_forward', { inputs: [{ data: Float32Array.of(3), shape: [1] }], scalars: [0] });
      await queue.done();
      let error;
      try { DeviceTensor.alloc(queue, [1]); } catch (caught) { error = caught; }
      process.stdout.write(JSON.stringify([y.data[0], error.code, error.remedy]));
    `;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const { stdout } = spawnSync(process.execPath, args, {
      env: { ...process.env, POLYCOM_LIBRARY: path },
      encoding: 'utf8',
    });
    rmSync(folder, { recursive: true });
    expect(JSON.parse(stdout)).toEqual([9, 'LIBRARY_NOT_FOUND', 'run: npx polycom build']);
  });
});
