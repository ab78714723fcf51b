import { sayOnce } from '../common/notice.js';
import { loadTfjsNode } from '../tensorflow/load.js';

/** Writes scalars for TensorBoard. */
export interface ScalarWriter {
  scalar(name: string, value: number, step: number): void;
  flush(): void;
}

/** What this file uses of tfjs-node, beside tfjs itself. */
interface NodeNamespace {
  readonly summaryFileWriter: (folder: string) => ScalarWriter;
}

/**
 * A writer of TensorBoard's event files: TensorFlow's own, through tfjs-node. Each process writes a file of its own; of
 * steps that a resumed run repeats, TensorBoard shows the last.
 *
 * @returns nothing where there is no tfjs-node, which is said once
 */
export function openTensorboard(folder: string): ScalarWriter | undefined {
  const tfjs = loadTfjsNode();
  if (tfjs.loaded) return (tfjs.tf as unknown as { node: NodeNamespace }).node.summaryFileWriter(folder);
  sayOnce(`no event files for TensorBoard: TensorFlow writes them, and ${tfjs.reason}; ${tfjs.remedy}`);
  return undefined;
}
