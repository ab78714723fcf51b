import type { Data } from 'polycom/data';
import type { Transformer } from 'polycom/model';
import type { RunSpec } from '../types.js';
import { measureDownstream } from './downstream.js';
import { measureDynamics } from './dynamics.js';

/** Looks at a trained model. It must leave the model as it is, and depend on nothing but its arguments. */
export interface Probe {
  /** As specs name it, and results keep what it found. */
  readonly name: string;
  /** @returns what it found, as JSON */
  run(model: Transformer, data: Data, spec: RunSpec): Promise<unknown>;
}

/** The probes that there are. */
export const probes: readonly Probe[] = [
  { name: 'downstream', run: (model, data) => measureDownstream(model, data) },
  { name: 'dynamics', run: (model, { heldOut }) => measureDynamics(model, heldOut) },
];

/** The names of all probes. */
export const probeNames: readonly string[] = probes.map(({ name }) => name);
