import * as tf from '@tensorflow/tfjs-core';
import { PolycomError } from '../common/errors.js';
import { sayOnce } from '../common/notice.js';

/**
 * Makes the best backend of tfjs that there is the active one: tfjs-node with the fused ops, else tfjs's own on the CPU,
 * which is said once, as it is some hundred times slower.
 *
 * @param wanted the one that it must be
 * @returns its name
 * @throws {PolycomError} `TENSORFLOW_NOT_FOUND` where there is neither, or not the one that is wanted
 */
export async function chooseBackend(wanted?: 'tensorflow' | 'cpu'): Promise<string> {
  if (wanted === 'cpu') return await useJavaScript();
  const { tensorflowStatus } = await import('./index.js');
  if (tensorflowStatus.package !== undefined && (await tf.setBackend('tensorflow'))) return 'tensorflow';
  const { reason, remedy } = tensorflowStatus;
  if (wanted === undefined) return await useJavaScript(reason, remedy);
  throw notFound(`the backend tensorflow cannot be used: ${reason}`, remedy);
}

async function useJavaScript(
  reason = '@tensorflow/tfjs-backend-cpu is not installed',
  remedy = 'npm install @tensorflow/tfjs-backend-cpu@4.22.0',
): Promise<string> {
  try {
    await import('@tensorflow/tfjs-backend-cpu');
  } catch (cause) {
    throw notFound(`there is no backend for tfjs: ${reason}`, remedy, cause);
  }
  sayOnce("tfjs's own kernels in JavaScript are used, which are slow");
  tf.enableProdMode(); // or tfjs says the same, in a box of its own
  await tf.setBackend('cpu');
  return 'cpu';
}

/**
 * Likewise, with the gradients of tfjs's own ops, which tfjs-node brings and tfjs's backend for the CPU does not.
 *
 * @throws {PolycomError} `TENSORFLOW_NOT_FOUND` where there is no such backend, or there are no gradients
 */
export async function chooseTrainingBackend(wanted?: 'tensorflow' | 'cpu'): Promise<string> {
  const name = await chooseBackend(wanted);
  if (tf.getGradient('MatMul') !== undefined) return name;
  try {
    await import('@tensorflow/tfjs');
    return name;
  } catch (cause) {
    throw notFound('training needs the gradients of tfjs', 'npm install @tensorflow/tfjs@4.22.0', cause);
  }
}

function notFound(message: string, remedy?: string, cause?: unknown): PolycomError {
  return new PolycomError('TENSORFLOW_NOT_FOUND', message, {
    ...(remedy === undefined ? {} : { remedy }),
    cause,
  });
}
