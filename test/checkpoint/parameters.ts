import type { FloatTensor } from '../../src/checkpoint/folder.js';
import type { ModelConfig } from '../../src/model/config.js';
import { parameterShapes } from '../../src/model/shapes.js';

/** Parameters of a model, each number its own: norms and coefficients too, that none is mistaken for another. */
export function parametersOf(config: ModelConfig): Map<string, FloatTensor> {
  let state = 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.4;
  };
  const tensors = new Map<string, FloatTensor>();
  for (const [name, shape] of parameterShapes(config)) {
    const size = shape.reduce((product, length) => product * length, 1);
    const scale = shape.length === 2 ? 0.3 : 1;
    tensors.set(name, { shape, data: Float32Array.from({ length: size }, () => scale * next()) });
  }
  return tensors;
}
