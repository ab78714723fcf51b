import { given } from '../common/objects.js';
import { randomTensor } from '../op/sample.js';
import type { Sample } from '../op/types.js';

type Sizes = readonly [
  batch: number,
  time: number,
  keys: number,
  heads: number,
  kvHeads: number,
  width: number,
];

/** Calls of attention worth testing. */
export function attentionSamples(): Sample[] {
  const training: Sizes[] = [
    [2, 1, 1, 2, 2, 8],
    [2, 7, 7, 4, 2, 8],
    [1, 33, 33, 2, 1, 6],
    [2, 64, 64, 4, 1, 32],
    [1, 123, 123, 2, 2, 96],
    [1, 70, 70, 2, 1, 64],
    [1, 9, 9, 2, 1, 128],
    [1, 5, 5, 1, 1, 1],
    [1, 37, 37, 3, 1, 160],
    [1, 18, 18, 2, 2, 256],
    [0, 4, 4, 2, 2, 8],
    [2, 0, 3, 2, 2, 8],
  ];
  const cached: [Sizes, number[]][] = [
    [
      [3, 1, 40, 4, 2, 8],
      [0, 17, 39],
    ],
    [
      [2, 1, 600, 4, 1, 20],
      [599, 300],
    ],
    [
      [2, 7, 50, 2, 2, 32],
      [43, 5],
    ],
    [[1, 20, 580, 2, 1, 16], [550]],
    [
      [2, 1, 1100, 8, 2, 24],
      [1099, 700],
    ],
    [[1, 90, 610, 1, 1, 8], [520]],
    // Starts of no such position: the first two queries' own, and keys that there are not.
    [
      [3, 9, 12, 2, 1, 8],
      [-5, 100, 2 ** 30],
    ],
  ];
  const usual: Sizes = [2, 19, 19, 4, 2, 16];
  return [
    ...training.map((of, i) => sample(title(of), of, 10 * i)),
    ...cached.map(([of, start], i) => sample(`${title(of)}, start [${start}]`, of, 200 + 10 * i, { start })),
    sample('scale 0.7', usual, 300, { scalars: { scale: 0.7 } }),
    sample('scale -0.3', usual, 310, { scalars: { scale: -0.3 } }),
    ...[1e-20, 1e-3, 30, 1e5, 1e15].map((scale, i) =>
      sample(`values of ${scale}`, usual, 320 + i, { scale }),
    ),
    sample('values of 1e5 and long', [1, 40, 1100, 2, 1, 8], 330, { scale: 1e5, start: [1060] }),
    ...[Number.NaN, Number.POSITIVE_INFINITY].flatMap((odd) =>
      (['q', 'k', 'v'] as const).map((name) => {
        const made = sample(`NaN or infinite: ${odd} in ${name}`, usual, 340);
        made.tensors[name]!.values[9 * 2 * 16 + 5] = odd; // of the first batch
        return made;
      }),
    ),
  ];
}

function title([batch, time, keys, heads, kvHeads, width]: Sizes): string {
  return `[${[batch, time, heads, width]}] by [${[batch, keys, kvHeads, width]}]`;
}

function sample(
  name: string,
  [batch, time, keys, heads, kvHeads, width]: Sizes,
  seed: number,
  {
    scale = 1,
    start,
    scalars,
  }: { scale?: number; start?: readonly number[]; scalars?: Sample['scalars'] } = {},
): Sample {
  return {
    title: name,
    tensors: {
      q: randomTensor([batch, time, heads, width], seed, scale),
      k: randomTensor([batch, keys, kvHeads, width], seed + 1, scale),
      v: randomTensor([batch, keys, kvHeads, width], seed + 2, scale),
      start: { shape: [batch], values: Float32Array.from({ length: batch }, (_, b) => start?.[b] ?? 0) },
    },
    ...given({ scalars }),
  };
}
