/** The entries that need no Node, in places that have none: an empty realm, and a browser. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { runInNewContext } from 'node:vm';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findChromium, openPage } from '../chromium.js';
import { collector, PAGES } from './pages.js';
import { Project } from './project.js';

type Values = Record<string, number[][]>;

const names = Object.keys(PAGES);
const project = new Project();
let expected: Values;

const chromium = await findChromium();
if (chromium === undefined) console.warn('skipped: the entries in a browser: there is no chromium');
afterAll(() => project.remove());

/** Bundles a module of the project for a browser; returns the script. */
async function bundle(file: string): Promise<string> {
  const { outputFiles, warnings } = await build({
    entryPoints: [join(project.folder, file)],
    bundle: true,
    format: 'iife',
    globalName: 'page',
    platform: 'browser',
    write: false,
    logLevel: 'silent',
  });
  expect(warnings.filter(({ location }) => location?.file.includes('polycom'))).toEqual([]);
  return outputFiles[0]!.text;
}

/** ‖actual − expected‖ / ‖expected‖ of each array, at its largest. */
function distance(actual: Values, wanted: Values): number {
  const norm = (values: readonly number[]) => Math.hypot(...values);
  const errors = Object.entries(wanted).flatMap(([name, arrays]) =>
    arrays.map((array, i) => {
      const got = actual[name]?.[i] ?? [];
      if (got.length !== array.length) return Number.POSITIVE_INFINITY;
      return norm(array.map((value, k) => value - got[k]!)) / (norm(array) || 1);
    }),
  );
  return Math.max(...errors.map((error) => (Number.isNaN(error) ? Number.POSITIVE_INFINITY : error)));
}

// As Node has them, each from its entry and unbundled.
beforeAll(async () => {
  for (const [name, text] of Object.entries(PAGES)) project.write(`${name}.mjs`, text);
  for (const backend of ['cpu', 'webgl']) project.write(`${backend}.mjs`, collector(names, backend));
  const script = `import('${pathToFileURL(join(project.folder, 'cpu.mjs'))}')
    .then(({ collect }) => collect()).then((values) => console.log(JSON.stringify(values)));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['-e', script]);
  expect(stderr).toMatch(/^polycom: the backend 'cpu' has no fused kernels/m);
  expected = JSON.parse(stdout.trim().split('\n').at(-1)!) as Values;
  expect(Object.keys(expected)).toEqual(names);
  expect(Object.values(expected).flat(2).every(Number.isFinite)).toBe(true);
});

describe('in a realm without process and Buffer', () => {
  test.each(names)('%s', async (name) => {
    project.write(`${name}-alone.mjs`, collector([name], 'cpu'));
    const script = await bundle(`${name}-alone.mjs`);
    const context: Record<string, unknown> = {
      console,
      setTimeout,
      performance,
      TextEncoder,
      TextDecoder,
      URL,
    };
    // tfjs takes what has a document for a browser.
    context.window = { document: {} };
    const page = runInNewContext(`${script}; page`, context) as { collect(): Promise<Values> };
    expect(distance(await page.collect(), { [name]: expected[name]! })).toBeLessThan(1e-6);
  });
});

describe.skipIf(chromium === undefined)('in a browser', () => {
  test.each([
    ['cpu', 1e-6],
    // SwiftShader's exp and pow are not the CPU's.
    ['webgl', 1e-5],
  ] as const)(
    'on the backend %s',
    async (backend, bound) => {
      const script = await bundle(`${backend}.mjs`);
      const html = `<!doctype html><meta charset="utf-8"><body><script>${script.replaceAll('</script', '<\\/script')}
const show = (values) => { document.body.textContent = JSON.stringify(values); };
page.collect().then(show, (error) => show({ failure: String(error) }));</script>`;
      const page = project.write(`${backend}.html`, html);
      const { stdout, stderr } = await openPage(chromium!, page, project.folder);
      const [, json] = /<body>(.*?)<\/body>/s.exec(stdout) ?? [];
      expect(json, stderr).toBeDefined();
      expect(distance(JSON.parse(json!) as Values, expected)).toBeLessThan(bound);
    },
    180_000,
  );
});
