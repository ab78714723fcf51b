/** How each program begins: TensorFlow on the test's GPU, with the fused ops. */

import * as tf from '@tensorflow/tfjs-core';
import { loadNative } from '../../../../src/native/library.js';
import { tensorflowStatus } from '../../../../src/tensorflow/index.js';
import { handStream } from '../../../../src/tensorflow/stream.js';

if (!tensorflowStatus.fused) throw new Error(tensorflowStatus.missing);
await tf.setBackend('tensorflow');

// A library whose function finds TensorFlow's stream in place of the shipped one, as device/cpp/stream.cpp says.
const stream = process.env.TEST_STREAM;
if (stream !== undefined) {
  const refused = handStream(loadNative(), stream, tensorflowStatus.tensorflow!, 'test_stream');
  if (refused !== undefined) throw new Error(refused.reason);
}

/** Prints a program's answer. */
export function answer(value: unknown): void {
  process.stdout.write(JSON.stringify(value));
}
