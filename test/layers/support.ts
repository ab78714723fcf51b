import * as tf from '@tensorflow/tfjs';
import { tensorflowStatus } from '../../src/tensorflow/index.js';

export const backends: string[] = tensorflowStatus.fused ? ['cpu', 'tensorflow'] : ['cpu'];

export const values = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());

/** Saves a model, and loads what was saved. */
export async function reloaded(model: tf.LayersModel): Promise<tf.LayersModel> {
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }),
  );
  // Through text, as a file would hold it.
  const text = JSON.stringify({ ...saved, weightData: undefined });
  return tf.loadLayersModel(
    tf.io.fromMemory({ ...JSON.parse(text), weightData: saved!.weightData } as tf.io.ModelArtifacts),
  );
}
