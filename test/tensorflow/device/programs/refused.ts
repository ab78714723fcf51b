/** Ops where TensorFlow uses a GPU that the library's kernels do not run on. */
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { prepareProcess } from '../../../../src/tensorflow/prepare.js';

prepareProcess();
// TensorFlow has its device first: its own CUDA is another, which may be older.
createRequire(import.meta.url)('@tensorflow/tfjs-node');
process.env.EMULATED_FAULT = process.env.FAULT;
const { tensorflowStatus } = await import('../../../../src/tensorflow/index.js');
const { polyNorm } = await import('../../../../src/index.js');
await tf.setBackend('tensorflow');
const { fused, reason, remedy } = tensorflowStatus;
const kernel = tf.getKernel('PolyNorm', 'tensorflow') ?? null;
const y = [...polyNorm([[3, 4]], [0, 0, 1], 0).dataSync(), ...polyNorm([[1, 1]], [0, 0, 1], 0).dataSync()];
process.stdout.write(JSON.stringify({ fused, reason, remedy, kernel, y }));
