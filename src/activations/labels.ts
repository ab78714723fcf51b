import { variants } from './variants.js';

/** The spelling of the field for each activation of the table. */
const LABELS: Readonly<Record<string, string>> = {
  polynorm: 'PolyNorm',
  polyrelu: 'PolyReLU',
  relu: 'ReLU',
  relu2: 'ReLU²',
  gelu: 'GELU',
  silu: 'SiLU',
  polynormglu: 'PolyNormGLU',
  polyreluglu: 'PolyReLUGLU',
  reglu: 'ReGLU',
  geglu: 'GEGLU',
  swiglu: 'SwiGLU',
};

/** Whether there is an activation of that name. */
export function isActivation(name: string): boolean {
  return labelled(name) !== undefined;
}

/** The name of an activation for people: `ReLU²` of `relu2`. A name that is none of an activation is returned as it is. */
export function labelOf(name: string): string {
  return labelled(name) ?? name;
}

function labelled(name: string): string | undefined {
  return LABELS[name] ?? variants.find((variant) => variant.name === name)?.label;
}
