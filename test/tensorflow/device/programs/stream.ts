/** What finds TensorFlow's stream in its C++ objects: refused where it is not for this TensorFlow, and right where it is. */
import * as tf from '@tensorflow/tfjs-core';
import { relu2 } from '../../../../src/index.js';
import { koffi } from '../../../../src/native/koffi.js';
import { loadNative } from '../../../../src/native/library.js';
import { tensorflowStatus } from '../../../../src/tensorflow/index.js';
import { streamTier } from '../../../../src/tensorflow/ops.js';
import { handStream } from '../../../../src/tensorflow/stream.js';
import { answer } from './begin.js';

const path = process.env.TEST_STREAM!;
const [native, version] = [loadNative(), tensorflowStatus.tensorflow!];
const square = (): number => tf.tidy(() => relu2(tf.scalar(3)).dataSync()[0]!);
const attempt = (): unknown => {
  try {
    return [square(), streamTier()];
  } catch (error) {
    return String(error);
  }
};
const library = koffi().load(path);
const [same, different] = ['same', 'different'].map((name) =>
  library.func(`test_streams_${name}`, 'int64_t', []),
);
for (let i = 0; i < 10; ++i) square();
const asked = attempt();
const other = handStream(native, path, '2.20.0');
const absent = handStream(native, `${path}.absent`, version);
handStream(native, path, version, 'polycom_tensorflow_stream');
const shipped = attempt();
answer({ asked, same: same!(), different: different!(), other, absent, shipped });
