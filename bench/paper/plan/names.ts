import { labelOf } from 'polycom/model';

/** The activations of the dense comparison, with their names for people. */
export const DENSE: Readonly<Record<string, string>> = Object.fromEntries(
  ['relu', 'relu2', 'gelu', 'swiglu', 'polyrelu', 'polynorm'].map((name) => [name, labelOf(name)]),
);
