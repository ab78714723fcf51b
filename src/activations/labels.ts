import { activationRows } from './table.js';
import { variants } from './variants.js';

/** The name of an activation for people: `ReLU²` of `relu2`. A name that is none of an activation is returned as it is. */
export function labelOf(name: string): string {
  return labelled(name) ?? name;
}

/** Whether there is an activation of that name. */
export function isActivation(name: string): boolean {
  return labelled(name) !== undefined;
}

function labelled(name: string): string | undefined {
  return [...activationRows, ...variants].find((row) => row.name === name)?.label;
}
