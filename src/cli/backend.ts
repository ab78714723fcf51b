import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../errors.js';
import { sayOnce } from '../notice.js';

/**
 * Makes the best backend of tfjs that there is the active one: tfjs-node with the fused ops, else tfjs's own on the CPU,
 * which is said once, as it is some hundred times slower.
 *
 * @returns its name
 * @throws {PolycomError} `TENSORFLOW_NOT_FOUND` where there is neither
 */
export async function chooseBackend(): Promise<string> {
  const { tensorflowStatus } = await import('../tensorflow/index.js');
  if (tensorflowStatus.package !== undefined && (await tf.setBackend('tensorflow'))) return 'tensorflow';
  const { reason, remedy } = tensorflowStatus;
  try {
    await import('@tensorflow/tfjs-backend-cpu');
  } catch (cause) {
    throw new PolycomError('TENSORFLOW_NOT_FOUND', `there is no backend for tfjs: ${reason}`, {
      ...(remedy === undefined ? {} : { remedy }),
      cause,
    });
  }
  sayOnce("tfjs's own kernels in JavaScript are used, which are slow");
  tf.enableProdMode(); // or tfjs says the same, in a box of its own
  await tf.setBackend('cpu');
  return 'cpu';
}
