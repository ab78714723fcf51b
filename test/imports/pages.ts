/**
 * A module for each entry that browsers can import, and what it computes there: a function from nothing to arrays of
 * numbers, on whatever backend is active.
 */
export const PAGES: Readonly<Record<string, string>> = {
  polycom: `import * as tf from '@tensorflow/tfjs';
import { polyNorm, polyRelu, swiGlu } from 'polycom';
export function values() {
  const x = tf.tensor2d([1, -2, 3, -4, 0.5, 0, -0.5, 1], [2, 4]);
  const [weight, bias] = [tf.tensor1d([0.5, 0.3, 0.2]), tf.scalar(0.1)];
  const loss = (x, weight, bias) => polyNorm(x, weight, bias, { epsilon: 1e-5 }).square().mean();
  return [polyNorm(x, weight, bias), polyRelu(x, weight, bias), swiGlu(x), ...tf.grads(loss)([x, weight, bias])];
}`,
  layers: `import * as tf from '@tensorflow/tfjs';
import { polyNormLayer, polyReluLayer } from 'polycom/layers';
export function values() {
  const model = tf.sequential();
  model.add(polyNormLayer({ inputShape: [4], order: 2 }));
  model.add(polyReluLayer());
  return [model.predict(tf.tensor2d([1, -2, 3, -4, 0.5, 0, -0.5, 1], [2, 4]))];
}`,
  fused: `import * as tf from '@tensorflow/tfjs';
import { attention, groupedPolyNormGlu, rmsNorm } from 'polycom/transformer-ops';
const wave = (shape, step) => tf.tensor(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(step * i)), shape);
export function values() {
  const [gate, up, weight] = [wave([6, 8], 0.7), wave([6, 8], 1.1), wave([2, 3], 0.4)];
  const [bias, offsets] = [tf.tensor1d([0.1, -0.2]), tf.tensor1d([0, 2, 6], 'int32')];
  const f = (gate, up, weight, bias) => groupedPolyNormGlu(gate, up, weight, bias, offsets, { inputClamp: 0.9 });
  const loss = (...inputs) => f(...inputs).square().sum();
  const heads = wave([1, 3, 2, 4], 0.9);
  return [f(gate, up, weight, bias), ...tf.grads(loss)([gate, up, weight, bias]),
    rmsNorm(gate, tf.ones([8])), attention(heads, heads, heads, [0])];
}`,
  model: `import * as tf from '@tensorflow/tfjs';
import { configOf, Transformer } from 'polycom/model';
export function values() {
  const model = Transformer.create(configOf('tiny', { layers: 1, width: 16, hidden: 24, vocabulary: 40 }), { seed: 3 });
  const row = (...ids) => tf.tensor2d([ids], [1, ids.length], 'int32');
  const { loss, gradients } = model.gradients(row(7, 8, 9, 10, 11), row(8, 9, 10, 11, 12));
  return [loss, ...gradients.values()];
}`,
};

/** Text of a module that gives the values of every page on a backend, as JSON can hold them. */
export function collector(pages: readonly string[], backend: string): string {
  const imports = pages.map((page) => `import { values as ${page} } from './${page}.mjs';`).join('\n');
  return `import * as tf from '@tensorflow/tfjs';
${imports}
export async function collect() {
  if (!(await tf.setBackend('${backend}').catch(() => false))) return { failure: 'no backend ${backend}' };
  const arrays = (values) => values().map((tensor) => Array.from(tensor.dataSync()));
  return { ${pages.map((page) => `${page}: arrays(${page})`).join(', ')} };
}`;
}
