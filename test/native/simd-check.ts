/** Prints which results of this process's kernels are further from the reference than the bound. */
import { activations } from '../../src/activations/table.js';
import { loadNative } from '../../src/native/library.js';
import { BOUND, errorOf, expected, sampleOf } from '../oracle.js';
import { runNative } from './harness.js';

const library = loadNative();
const queue = library.createQueue();
const wrong: string[] = [];
let checked = 0;

for (const op of activations) {
  for (const cols of [1, 3, 5, 8, 31, 33, 100, 1030, 8256]) {
    const sample = sampleOf(op, 5, cols, { seed: cols });
    const { y, gradients } = runNative(queue, op, sample);
    const wanted = expected(op, sample);
    const errors = [errorOf(y, wanted.y), ...gradients.map((got, i) => errorOf(got, wanted.gradients[i]!))];
    for (const [i, error] of errors.entries()) {
      ++checked;
      if (!(error <= BOUND)) wrong.push(`${op.name}, ${cols} wide, output ${i}: ${error}`);
    }
  }
}
process.stdout.write(JSON.stringify({ simd: library.build.simd, checked, wrong }));
