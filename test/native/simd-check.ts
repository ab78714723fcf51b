/** Prints which results of this process's kernels are further from the reference than their dtype's bound. */
import { activations } from '../../src/activations/table.js';
import { expectedOf } from '../../src/fused/expected.js';
import { fusedOps } from '../../src/fused/table.js';
import { loadNative } from '../../src/native/library.js';
import type { Dtype } from '../../src/native/types.js';
import { BOUND, boundOf, errorOf, expected, gradientDtype } from '../../src/op/compare.js';
import { sampleOf } from '../../src/op/sample.js';
import { runNative as runFused } from '../fused/harness.js';
import { runNative } from './run.js';

const DTYPES: readonly Dtype[] = ['f32', 'f16', 'bf16'];
const library = loadNative();
const queue = library.createQueue();
const wrong: string[] = [];
let checked = 0;

for (const op of activations) {
  for (const dtype of DTYPES) {
    for (const cols of [1, 3, 5, 8, 31, 33, 100, 1030]) {
      const sample = sampleOf(op, 5, cols, { seed: cols, dtype });
      const { y, gradients } = runNative(queue, op, sample);
      const wanted = expected(op, sample);
      const results = [
        { name: 'y', got: y, sums: wanted.y, of: dtype },
        ...op.inputs.map((name, i) => ({
          name: `d${name}`,
          got: gradients[i]!,
          sums: wanted.gradients[i]!,
          of: gradientDtype(name, sample),
        })),
      ];
      for (const { name, got, sums, of } of results) {
        ++checked;
        const error = errorOf(got, sums);
        if (!(error <= boundOf(sums, of))) wrong.push(`${op.name} ${dtype}, ${cols} wide, ${name}: ${error}`);
      }
    }
  }
}
for (const op of fusedOps) {
  for (const sample of op.samples()) {
    const [got, wanted] = [runFused(queue, op, sample), expectedOf(op, sample)];
    const names = [...op.outputs, ...op.gradients.map((name) => `d${name}`)];
    const sums = [...wanted.outputs, ...wanted.gradients];
    for (const [i, values] of [...got.outputs, ...got.gradients].entries()) {
      ++checked;
      const error = errorOf(values, sums[i]!);
      if (!(error <= BOUND)) wrong.push(`${op.name} ${sample.title}, ${names[i]}: ${error}`);
    }
  }
}
process.stdout.write(JSON.stringify({ simd: library.build.simd, checked, wrong }));
