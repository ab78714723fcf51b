import { given } from '../common/objects.js';
import { randomTensor } from '../op/sample.js';
import type { Sample, Scalars } from '../op/types.js';

/** What a call is like; the rest is as most are. */
interface Call {
  readonly shape: readonly number[];
  /** None: one group has all rows. */
  readonly offsets?: readonly number[];
  readonly order?: number;
  readonly shift?: boolean;
  /** Of x. */
  readonly scale?: number;
  readonly scalars?: Scalars;
}

/** Calls of PolyNorm by groups worth testing, with an `up` if the op is gated. */
export function groupedSamples(gated: boolean): Sample[] {
  const calls: readonly (Call & { readonly title?: string })[] = [
    { shape: [5, 1] },
    { shape: [9, 7], offsets: [0, 4, 4, 9], shift: true },
    { shape: [4, 123], offsets: [0, 1, 4] },
    { shape: [2, 8191], offsets: [0, 2] },
    { shape: [3, 8256], offsets: [0, 2, 3], shift: true },
    { shape: [2, 3, 64], offsets: [0, 0, 5, 6], shift: true },
    { shape: [0, 5], offsets: [0, 0, 0], shift: true },
    { shape: [3, 0] },
    { shape: [300, 260], offsets: [0, 10, 290, 300], shift: true },
    { title: 'rows of no group', shape: [8, 33], offsets: [2, 3, 6], shift: true },
    { title: 'no groups', shape: [3, 9], offsets: [0] },
    { title: 'order 1', shape: [6, 40], offsets: [0, 3, 6], order: 1 },
    { title: 'order 2', shape: [6, 40], offsets: [0, 3, 6], order: 2, shift: true },
    { title: 'order 4', shape: [6, 40], offsets: [0, 3, 6], order: 4 },
    { title: 'the L2 norm', shape: [6, 40], offsets: [0, 3, 6], scalars: { norm: 1 } },
    { title: 'epsilon 0.5', shape: [3, 40], scalars: { epsilon: 0.5 } },
    {
      title: 'clamps that cut',
      shape: [7, 50],
      offsets: [0, 3, 5, 7],
      shift: true,
      scalars: { input_clamp: 0.8, bias_clamp: 0.3, output_scale: 0.5 },
    },
    { title: 'a clamp that cuts all', shape: [2, 20], scale: 100, scalars: { input_clamp: 1e-3 } },
    { title: 'output scale -2', shape: [4, 30], shift: true, scalars: { output_scale: -2 } },
    ...[1e-3, 1e5, 1e18].map((scale) => ({
      title: `values of ${scale}`,
      shape: [4, 40],
      offsets: [0, 1, 4],
      scale,
      shift: true,
    })),
    {
      title: 'values of 1e30, clamped',
      shape: [3, 40],
      scale: 1e30,
      scalars: { input_clamp: 1e6 },
    },
  ];
  return calls.map(({ title, ...call }, i) => ({
    title: title ?? `[${call.shape}]${call.offsets === undefined ? '' : `, groups at ${call.offsets}`}`,
    tensors: tensorsOf(call, gated, 10 * i),
    ...given({ scalars: call.scalars }),
  }));
}

function tensorsOf(
  { shape, offsets = [], order = 3, shift = false, scale = 1 }: Call,
  gated: boolean,
  seed: number,
): Sample['tensors'] {
  const groups = offsets.length === 0 ? 1 : offsets.length - 1;
  return {
    x: randomTensor(shape, seed, scale),
    ...(gated ? { up: randomTensor(shape, seed + 1) } : {}),
    weight: randomTensor([groups, order], seed + 2),
    bias: randomTensor([groups], seed + 3),
    offsets: { shape: [offsets.length], values: Float32Array.from(offsets) },
    shift: randomTensor(shift ? shape.slice(-1) : [0], seed + 4, scale / 4),
  };
}
