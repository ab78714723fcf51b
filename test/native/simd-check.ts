/** Prints which results of this process's kernels are further from the reference than their dtype's bound. */
import { activationRows } from '../../src/activations/table.js';
import { loadNative } from '../../src/native/library.js';
import type { Dtype } from '../../src/native/types.js';
import { boundOf, errorOf, expected } from '../../src/op/compare.js';
import { sampleOf } from '../../src/op/sample.js';
import { dtypeOf, type Op, type Sample } from '../../src/op/types.js';
import { transformerOps } from '../../src/transformer-ops/table.js';
import { runNative } from './run.js';

const DTYPES: readonly Dtype[] = ['f32', 'f16', 'bf16'];
const library = loadNative();
const queue = library.createQueue();
const wrong: string[] = [];
let checked = 0;

function check(op: Op, sample: Sample): void {
  const [got, wanted] = [runNative(queue, op, sample), expected(op, sample)];
  const results = [
    ...op.outputs.map((name, i) => ({ name, of: name, got: got.outputs[i]!, sums: wanted.outputs[i]! })),
    ...op.gradients.map((of, i) => ({
      name: `d${of}`,
      of,
      got: got.gradients[i]!,
      sums: wanted.gradients[i]!,
    })),
  ];
  for (const { name, of, got: values, sums } of results) {
    ++checked;
    const error = errorOf(values, sums);
    if (!(error <= boundOf(sums, dtypeOf(op, of, sample))))
      wrong.push(`${op.name} ${sample.title}, ${name}: ${error}`);
  }
}

for (const op of activationRows) {
  for (const dtype of DTYPES) {
    for (const cols of [1, 3, 5, 8, 31, 33, 100, 1030])
      check(op, sampleOf(op, 5, cols, { seed: cols, dtype }));
  }
}
for (const op of Object.values(transformerOps)) for (const sample of op.samples()) check(op, sample);
process.stdout.write(JSON.stringify({ simd: library.build.simd, checked, wrong }));
