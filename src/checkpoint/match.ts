import { invalidFile } from '../common/errors.js';
import { shapeText } from '../common/excerpt.js';
import type { ModelConfig } from '../model/config.js';
import { eachParameter, parameterTensors } from '../model/shapes.js';

/** How many of what is missing a message names. */
const NAMED = 3;
const REMEDY = 'take config.json and the weights from one place';

/**
 * Holds a configuration against the tensors that there are, before anything is made of the sizes that it claims.
 *
 * @param where the folder, for messages
 * @param shapeOf the shape of a stored tensor; nothing where there is none
 * @returns the shape of each of the model's parameters, in their order
 * @throws {PolycomError} `INVALID_FILE` where parameters are missing, or of other shapes
 */
export function matchShapes(
  where: string,
  config: ModelConfig,
  shapeOf: (name: string) => readonly number[] | undefined,
): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const missing: string[] = [];
  for (const [name, expected] of eachParameter(config)) {
    const found = shapeOf(name);
    if (found === undefined) missing.push(name);
    else if (String(found) !== String(expected)) {
      const wanted = `${shapeText(expected)} by its config.json`;
      throw invalidFile(where, `${name} is ${shapeText(found)}; expected ${wanted}`, REMEDY);
    }
    if (missing.length > NAMED) break;
    shapes.set(name, expected);
  }
  if (missing.length === 0) return shapes;
  const all = `the model of its config.json has ${parameterTensors(config)} tensors`;
  const more = missing.length > NAMED ? ` and others: ${all}` : '';
  throw invalidFile(where, `its weights lack ${missing.slice(0, NAMED).join(', ')}${more}`, REMEDY);
}
