import type { ActivationName, ConfigOverrides } from 'polycom/model';

/** One way of an ablation: what is changed in the dense comparison's model. */
export interface Ablation {
  /** What is varied; the ways of a group are compared with each other. */
  readonly group: string;
  /** For people. */
  readonly label: string;
  readonly set: ConfigOverrides & { readonly activation: ActivationName };
  /** The activation of the dense comparison whose learning rate it has. */
  readonly rateOf: string;
}

type Poly = 'polynorm' | 'polyrelu';

const TITLES: Readonly<Record<Poly, string>> = { polynorm: 'PolyNorm', polyrelu: 'PolyReLU' };

/** The ways of a group that differ in their activation alone: name, label, whose rate. */
function forms(group: string, list: readonly (readonly [ActivationName, string, string])[]): Ablation[] {
  return list.map(([activation, label, rateOf]) => ({ group, label, set: { activation }, rateOf }));
}

function order(activation: Poly): Ablation[] {
  return [1, 2, 3, 4].map((order) => ({
    group: `order of ${TITLES[activation]}`,
    label: `order ${order}`,
    set: { activation, order },
    rateOf: activation,
  }));
}

/** First weights, highest power first; without any, the paper's. */
function init(
  activation: Poly,
  list: readonly (readonly [label: string, weights?: readonly number[]])[],
): Ablation[] {
  return list.map(([label, weights]) => ({
    group: `first coefficients of ${TITLES[activation]}`,
    label,
    set: { activation, ...(weights === undefined ? {} : { activationOptions: { init: weights } }) },
    rateOf: activation,
  }));
}

/** PolyNorm's epsilon: 1e-6 is the official code's. */
function epsilon(): Ablation[] {
  return [1e-12, 1e-8, 1e-6, 1e-4, 1e-2].map((epsilon) => ({
    group: 'epsilon of PolyNorm',
    label: `ε = ${epsilon.toExponential(0)}`,
    set: { activation: 'polynorm', ...(epsilon === 1e-6 ? {} : { activationOptions: { epsilon } }) },
    rateOf: 'polynorm',
  }));
}

/**
 * The ablations: orders, compositions, types, the ReLU family, gates, first coefficients, norm, epsilon. Ways that are the
 * dense comparison's own have the very same spec, and are trained once for both.
 */
export const ablations: readonly Ablation[] = [
  ...order('polynorm'),
  ...order('polyrelu'),
  ...forms('composition', [
    ['polyrelu', 'PolyReLU', 'polyrelu'],
    ['polyprelu', 'PolyPReLU', 'polyrelu'],
    ['polynorm', 'PolyNorm', 'polynorm'],
    ['polyrelunorm', 'PolyReLUNorm', 'polynorm'],
  ]),
  ...forms('type', [
    ['polyrelu', 'PolyReLU, type I', 'polyrelu'],
    ['polyreluii', 'PolyReLU, type II', 'polyrelu'],
    ['polyprelu', 'PolyPReLU, type I', 'polyrelu'],
    ['polypreluii', 'PolyPReLU, type II', 'polyrelu'],
    ['polynormi', 'PolyNorm, type I', 'polynorm'],
    ['polynorm', 'PolyNorm, type II', 'polynorm'],
  ]),
  ...forms('ReLU family', [
    ['relu', 'ReLU', 'relu'],
    ['leakyrelu', 'Leaky ReLU', 'relu'],
    ['prelu', 'PReLU', 'relu'],
    ['relu2', 'ReLU²', 'relu2'],
    ['relu3', 'ReLU³', 'relu2'],
    ['polyrelu', 'PolyReLU', 'polyrelu'],
  ]),
  ...forms('gates', [
    ['swiglu', 'SwiGLU', 'swiglu'],
    ['geglu', 'GEGLU', 'swiglu'],
    ['reglu', 'ReGLU', 'swiglu'],
    ['polynormglu', 'PolyNorm, gated', 'polynorm'],
    ['polynorm', 'PolyNorm', 'polynorm'],
  ]),
  ...init('polynorm', [
    ['each 1/3 (paper)'],
    ['each 1', [1, 1, 1]],
    ['x alone', [0, 0, 1]],
    ['x³ alone', [1, 0, 0]],
  ]),
  ...init('polyrelu', [
    ['each 1/3 (paper)'],
    ['each 1', [1, 1, 1]],
    ['ReLU', [0, 0, 1]],
    ['ReLU²', [0, 1, 0]],
  ]),
  {
    group: 'norm of PolyNorm',
    label: 'root mean square (official code)',
    set: { activation: 'polynorm' },
    rateOf: 'polynorm',
  },
  {
    group: 'norm of PolyNorm',
    label: 'L2 (the paper’s Eq. 3)',
    set: { activation: 'polynorm', activationOptions: { norm: 'l2' } },
    rateOf: 'polynorm',
  },
  ...epsilon(),
];
