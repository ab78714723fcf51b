/** Arrays of another realm, as Jest gives them and a page's frames do: their Float32Array is another function. */
import '@tensorflow/tfjs-backend-cpu';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { configOf, Transformer } from '../../src/model/index.js';
import { DeviceTensor } from '../../src/native/tensor.js';
import { native } from '../native/harness.js';

const foreign = runInNewContext('({ Float32Array, Int32Array, Uint16Array })') as {
  readonly Float32Array: Float32ArrayConstructor;
  readonly Int32Array: Int32ArrayConstructor;
  readonly Uint16Array: Uint16ArrayConstructor;
};
const config = configOf('tiny', { layers: 1, width: 16, hidden: 24, vocabulary: 40 });

beforeAll(async () => {
  await tf.setBackend('cpu');
});

test("a model's parameters may be given in them", () => {
  expect(new foreign.Float32Array(1)).not.toBeInstanceOf(Float32Array);
  const first = Transformer.create(config, { seed: 1 });
  const second = Transformer.from(config, (name) =>
    foreign.Float32Array.from(first.parameters.get(name)!.dataSync()),
  );
  for (const [name, variable] of first.parameters) {
    expect(second.parameters.get(name)!.dataSync()).toEqual(variable.dataSync());
  }
});

test('other arrays are refused, whatever their realm', () => {
  for (const type of [Float64Array, foreign.Int32Array]) {
    const source = (_name: string, shape: readonly number[]) =>
      new type(tf.util.sizeFromShape([...shape])) as unknown as Float32Array;
    expect(() => Transformer.from(config, source)).toThrow(/got no Float32Array/);
  }
});

test.skipIf(native === undefined)('a device tensor takes numbers, and the bits of 16-bit floats', () => {
  const queue = native!.createQueue();
  const numbers = DeviceTensor.fromArray(queue, new foreign.Int32Array([1, -2]), [2], 'i32');
  expect(Array.from(numbers.toArraySync())).toEqual([1, -2]);
  const bits = DeviceTensor.fromArray(queue, new foreign.Uint16Array([0x3c00, 0xc000]), [2], 'f16');
  expect(Array.from(bits.toArraySync())).toEqual([1, -2]);
  queue.dispose();
});
