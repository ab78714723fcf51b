/** The activations of the dense comparison, with their names for people. */
export const DENSE: Readonly<Record<string, string>> = {
  relu: 'ReLU',
  relu2: 'ReLU²',
  gelu: 'GELU',
  swiglu: 'SwiGLU',
  polyrelu: 'PolyReLU',
  polynorm: 'PolyNorm',
};
