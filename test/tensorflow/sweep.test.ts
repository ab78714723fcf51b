import '@tensorflow/tfjs';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { packageFolder } from '../../src/common/package.js';
import { loadTfjsNode } from '../../src/tensorflow/load.js';
import { repairKernels } from '../../src/tensorflow/repairs.js';
import { sweep } from './specs/sweep.js';

// The record is of one path through TensorFlow: on a CPU, and without the kernels that depend on which CPU it is.
Object.assign(process.env, { CUDA_VISIBLE_DEVICES: '', TF_ENABLE_ONEDNN_OPTS: '0' });
const loaded = loadTfjsNode();
if (!loaded.loaded) console.warn(`skipped: TensorFlow's answers beside those of 2.9: ${loaded.reason}`);

/** What `sweep` gave on TensorFlow 2.9.1, from the wheel of tensorflow-cpu: a line for each op and dtype. */
const recorded = readFileSync(
  join(packageFolder, 'test', 'tensorflow', 'specs', 'tensorflow-2.9.tsv'),
  'utf8',
);

beforeAll(async () => {
  if (!loaded.loaded) return;
  repairKernels();
  await tf.setBackend('tensorflow');
});

describe.skipIf(!loaded.loaded)('over every dtype, the ranks from 0 to 6 and empty tensors', () => {
  test('each op answers as on TensorFlow 2.9', { timeout: 300_000 }, () => {
    const answers = sweep();
    const rows = recorded.trimEnd().split('\n');
    expect(rows).toHaveLength(answers.size);
    const other = rows.flatMap((row) => {
      const [name = '', ...wanted] = row.split('\t');
      const got = answers.get(name) ?? [];
      return wanted.flatMap((answer, i) =>
        isSame(got[i], answer) ? [] : [`${name}: ${got[i]}, and on 2.9 ${answer}`],
      );
    });
    expect(other).toEqual([]);
  });
});

/** Whether two answers are one but for the last digits of the digest. */
function isSame(got: string | undefined, wanted: string): boolean {
  const [a, b] = [got?.split(/; | /) ?? [], wanted.split(/; | /)];
  return a.length === b.length && b.every((word, i) => a[i] === word || isClose(Number(a[i]), Number(word)));
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-3 * (1 + Math.abs(b));
}
