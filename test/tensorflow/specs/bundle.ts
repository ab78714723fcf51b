import { join } from 'node:path';
import { build } from 'esbuild';
import { packageFolder } from '../../../src/common/package.js';

/** Bundles run.ts with tfjs-core's specs, which ship as modules that Node cannot import. Gives the bundle's path. */
export async function bundleSpecs(): Promise<string> {
  const outfile = join(packageFolder, 'build', 'specs', 'run.cjs');
  await build({
    entryPoints: [join(packageFolder, 'test', 'tensorflow', 'specs', 'run.ts')],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    mainFields: ['module', 'main'],
    // The package says that its specs have no side effects, and they would be dropped.
    ignoreAnnotations: true,
    external: ['jasmine', 'jasmine-core', 'worker_threads', '@tensorflow/tfjs'],
    outfile,
    logLevel: 'error',
  });
  return outfile;
}
