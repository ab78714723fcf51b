import { activations } from '../activations/table.js';
import { PolycomError } from '../errors.js';
import type { FusedOp } from '../op/types.js';

/** The activation's row of the table. */
export function activationRow(name: string): FusedOp {
  const row = activations.find((candidate) => candidate.name === name);
  if (row !== undefined) return row;
  const names = activations.map((candidate) => candidate.name).join(', ');
  throw new PolycomError(
    'INVALID_ARGUMENT',
    `activation is ${JSON.stringify(name)}; expected one of ${names}`,
  );
}

/** Whether the activation multiplies two projections, `gate_proj` and `up_proj`. */
export function isGated(row: FusedOp): boolean {
  return row.inputs[0] === 'gate';
}

/** Whether the activation has trained coefficients. */
export function hasCoefficients(row: FusedOp): boolean {
  return row.inputs.includes('weight');
}
