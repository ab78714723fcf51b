import { labelOf } from '../activations/labels.js';

/** The activations of the dense comparison, with their names for people. */
export const DENSE: Readonly<Record<string, string>> = Object.fromEntries(
  ['relu', 'relu2', 'gelu', 'swiglu', 'polyrelu', 'polynorm'].map((name) => [name, labelOf(name)]),
);
