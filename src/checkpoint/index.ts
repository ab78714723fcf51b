/** Models and training runs in files: safetensors, a run's checkpoints, Hugging Face's folders. */
export type { FileSum } from './files.js';
export {
  type Checkpoint,
  type FloatTensor,
  type Json,
  type LoadedCheckpoint,
  latest,
  loadCheckpoint,
  saveCheckpoint,
} from './folder.js';
export type { SafeDtype, TensorInfo } from './header.js';
export { exportHuggingFace, type ImportedModel, importHuggingFace } from './huggingface.js';
export {
  openSafetensors,
  type SafeTensor,
  SafetensorsFile,
  type TensorReader,
  writeSafetensors,
} from './safetensors.js';
export { openWeights } from './shards.js';
