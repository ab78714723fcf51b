/** This package as part of another program's file, which runs on Node. */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build, type Format } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandResult, runCommand } from '../../src/common/command.js';
import { packageFolder, packageVersion } from '../../src/common/package.js';
import { hasBinding, resolvePackage } from '../../src/tensorflow/link/packages.js';
import { native } from '../native/harness.js';
import { Project } from './project.js';

const TFJS = '@tensorflow/tfjs-node';
const tfjs = resolvePackage(TFJS, packageFolder);
const obstacle = obstacleTo();
if (obstacle !== undefined) console.warn(`skipped: a bundle for Node: ${obstacle}`);

function obstacleTo(): string | undefined {
  if (native === undefined) return 'there is no native library';
  return tfjs !== undefined && hasBinding(tfjs) ? undefined : 'tfjs-node is not linked';
}

const APP = `import { tensorflowStatus } from 'polycom/tensorflow';
import * as tf from '${TFJS}';
import { polyNorm } from 'polycom';
import { findNative } from 'polycom/native';
const y = Array.from(polyNorm(tf.tensor2d([[1, -2, 3, -4]]), [0.5, 0.3, 0.2], 0.1).dataSync());
console.log(JSON.stringify({ y, status: tensorflowStatus, library: findNative().path }));`;

const project = new Project();
afterAll(() => project.remove());

/** Runs a file with none of the variables that TensorFlow reads, of which something would be said. */
function run(file: string, env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(TF_|POLYCOM_|JEST_)/.test(name));
  return runCommand(process.execPath, [file], {
    ...Object.fromEntries(inherited),
    POLYCOM_TFJS_PACKAGE: TFJS,
    ...env,
  });
}

function lastLine({ stdout }: CommandResult): unknown {
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

describe.skipIf(obstacle !== undefined)('a bundle for Node', () => {
  let unbundled: CommandResult;

  beforeAll(async () => {
    unbundled = await run(project.write('app.mjs', APP));
    expect(unbundled.stderr).not.toMatch(/^polycom:/m);
    expect(lastLine(unbundled)).toMatchObject({ status: { fused: true } });
  });

  async function bundleAs(format: Format, folder: string): Promise<string> {
    const outfile = join(folder, format === 'esm' ? 'app.mjs' : 'app.cjs');
    const external = ['@tensorflow/*', 'koffi'];
    await build({
      entryPoints: [join(project.folder, 'app.mjs')],
      ...{ bundle: true, platform: 'node', format, external, outfile, logLevel: 'silent' },
    });
    return outfile;
  }

  test.each(['esm', 'cjs'] as const)('as %s finds the library, and says nothing', async (format) => {
    const file = await bundleAs(format, join(project.folder, 'deeper', 'out'));
    expect(existsSync(file)).toBe(true);
    const bundled = await run(file);
    expect(bundled.stderr).not.toMatch(/^polycom:/m);
    expect(lastLine(bundled)).toEqual(lastLine(unbundled));
  });

  test('finds what polycom build has put into the cache, where the package is not installed', async () => {
    const bare = new Project({ installed: false });
    try {
      const file = await bundleAs('esm', join(bare.folder, 'out'));
      const cache = join(bare.folder, 'cache');
      const built = join(cache, 'native', `${packageVersion}-${process.platform}-${process.arch}`);
      mkdirSync(built, { recursive: true });
      copyFileSync(native!.path, join(built, basename(native!.path)));
      const bundled = await run(file, { POLYCOM_CACHE: cache });
      expect(bundled.stderr).not.toMatch(/^polycom:/m);
      const library = join(built, basename(native!.path));
      expect(lastLine(bundled)).toMatchObject({ library, status: { fused: true, library } });
    } finally {
      bare.remove();
    }
  });
});
