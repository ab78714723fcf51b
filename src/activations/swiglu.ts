import * as tf from '@tensorflow/tfjs-core';
import { activation } from '../op/activation.js';
import { type Factor, productReference } from '../op/gated.js';
import type { Op, Scalars } from '../op/types.js';
import { type Gated, runGated } from './gated.js';
import { logistic } from './silu.js';

/** Whether a limit is the gate's, or that of its SiLU. */
export type SwiGluClamp = 'gate' | 'silu';

// The scalar `clamp` of the C ABI.
const CLAMPS: readonly SwiGluClamp[] = ['gate', 'silu'];
const SILU = CLAMPS.indexOf('silu');

/** The limits of the gate, of its SiLU and of up; a limit of 0 is none. */
function limitsOf({ limit, clamp }: Scalars): { gate: number; silu: number; up: number } {
  const up = limit === 0 ? Number.POSITIVE_INFINITY : limit!;
  return clamp === SILU
    ? { gate: Number.POSITIVE_INFINITY, silu: up, up }
    : { gate: up, silu: Number.POSITIVE_INFINITY, up };
}

/** Whether it is SiLU(gate) · up, whose kernel is SiLU's: at infinity its derivative is 0 · ∞. */
function isPlain({ limit, alpha, shift }: Scalars): boolean {
  return limit === 0 && alpha === 1 && shift === 0;
}

// f = min(g σ(α g), limit), g = min(gate, limit): one of the limits. f' = σ (1 + α g (1 - σ)), and 0 beyond a limit.
const gate: Factor = {
  value(x, scalars) {
    const limits = limitsOf(scalars);
    const g = Math.min(x, limits.gate);
    const h = g * logistic(scalars.alpha! * g);
    return [Math.min(h, limits.silu)];
  },
  slope(x, scalars) {
    const limits = limitsOf(scalars);
    const z = scalars.alpha! * x;
    const [s, rest] = [logistic(z), logistic(-z)];
    if (x > limits.gate || x * s > limits.silu) return [];
    return s * rest === 0 && !isPlain(scalars) ? [s] : [s, z * s * rest];
  },
};

const up: Factor = {
  value(x, scalars) {
    const { up: limit } = limitsOf(scalars);
    return [Math.max(-limit, Math.min(x, limit)), scalars.shift!];
  },
  slope: (x, scalars) => (Math.abs(x) > limitsOf(scalars).up ? [] : [1]),
};

function composed([x, y]: readonly tf.Tensor[], scalars: Scalars): tf.Tensor {
  const limits = limitsOf(scalars);
  const atMost = (t: tf.Tensor, limit: number) =>
    limit < Number.POSITIVE_INFINITY ? tf.minimum(t, limit) : t;
  const g = atMost(x!, limits.gate);
  const h = atMost(tf.mul(g, tf.sigmoid(scalars.alpha === 1 ? g : tf.mul(g, scalars.alpha!))), limits.silu);
  const v = limits.up < Number.POSITIVE_INFINITY ? tf.clipByValue(y!, -limits.up, limits.up) : y!;
  return tf.mul(h, scalars.shift === 0 ? v : tf.add(v, scalars.shift!));
}

const TORCH = `
g = torch.clamp(gate, max=limit) if limit > 0 and clamp == "gate" else gate
h = F.silu(g) if alpha == 1 else g * torch.sigmoid(alpha * g)
if limit > 0 and clamp == "silu":
    h = torch.clamp(h, max=limit)
v = torch.clamp(up, -limit, limit) if limit > 0 else up
return h * (v if shift == 0 else v + shift)`;

/** The table's row of SwiGLU. */
export const swiGluRow: Op<'swiglu'> = activation({
  name: 'swiglu',
  kernelName: 'SwiGlu',
  label: 'SwiGLU',
  source: 'arXiv 2002.05202',
  matrices: ['gate', 'up'],
  torch: TORCH,
  scalars: {
    limit: { default: 0, also: [7, 0.5], range: 'not negative' },
    alpha: { default: 1, also: [1.702] },
    shift: { default: 0, also: [1] },
    clamp: { default: 0, choices: CLAMPS },
  },
  together: [
    { limit: 7, alpha: 1.702, shift: 1 },
    { limit: 0.5, clamp: SILU },
    { limit: 3, alpha: -0.7, shift: 0.3, clamp: SILU },
  ],
  reference: productReference(gate, up),
  composed,
});

/** What SwiGLU may be told. gpt-oss has `{ limit: 7, alpha: 1.702, shift: 1 }`, DeepSeek-V4 `{ limit: 10 }`. */
export interface SwiGluOptions {
  /** The gate's upper limit, and that of up's magnitude; 0, for none, by default. */
  readonly limit?: number;
  /** The gate's factor in the logistic function; 1 by default. */
  readonly alpha?: number;
  /** What is added to up; 0 by default. */
  readonly shift?: number;
  /** `silu` limits the gate's SiLU in place of the gate (Step-3.5); `gate` by default. */
  readonly clamp?: SwiGluClamp;
}

/**
 * SwiGLU (Shazeer 2020, arXiv 2002.05202): y = SiLU(gate) · up; with options, as the models of today have it:
 * y = g σ(α g) · (u + shift), g = min(gate, limit), u = up within ±limit. A gradient is 0 beyond the limit, not at it.
 *
 * @returns a tensor of the gate's shape
 * @throws {PolycomError} `INVALID_ARGUMENT` for another dtype, shapes that differ, a packed axis of odd length, or an
 *   option that is no finite number
 */
export function swiGlu<T extends tf.Tensor>(x: Gated, options: SwiGluOptions = {}): T {
  return runGated<T>('swiGlu', swiGluRow, x, options);
}
