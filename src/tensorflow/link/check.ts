import { lastLines, runCommand } from '../../common/command.js';
import { PolycomError } from '../../common/errors.js';
import type { TfjsPackage } from './packages.js';
import type { TensorflowFound } from './types.js';

/** Loads a package in a process of its own, and lets its TensorFlow add two numbers. */
export async function checkPackage(tfjs: TfjsPackage, tensorflow: TensorflowFound): Promise<void> {
  const script = `const util = require('node:util');
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
const tf = require(${JSON.stringify(tfjs.folder)});
const sum = tf.add([1, 2], [10, 20]);
console.log(JSON.stringify([tf.backend().binding.TF_Version, ...sum.dataSync()]));`;
  const env = { TF_CPP_MIN_LOG_LEVEL: '2', TF_FORCE_GPU_ALLOW_GROWTH: 'true', ...process.env };
  const result = await runCommand(process.execPath, ['--no-deprecation', '-e', script], env);
  const said = result.stdout.trim().split('\n').at(-1);
  if (result.status === 0 && said === JSON.stringify([tensorflow.version, 11, 22])) return;
  throw new PolycomError(
    'TENSORFLOW_NOT_FOUND',
    `${tfjs.name} does not run once linked:\n${lastLines(result)}`,
    {
      remedy: `name another TensorFlow (npx polycom tf-link --tensorflow <path>); this one is ${tensorflow.libraryFolder}`,
    },
  );
}
