import * as tf from '@tensorflow/tfjs-core';

const DTYPES = ['float32', 'int32', 'bool', 'string', 'complex64'] as const;
type Dtype = (typeof DTYPES)[number];

/** The ranks from 0 to 6, and empty tensors. */
const SHAPES = [
  [],
  [1],
  [16],
  [0],
  [3, 4],
  [0, 3],
  [3, 0],
  [2, 3, 2],
  [2, 0, 2],
  [1, 2, 3, 2],
  [2, 1, 2, 1, 3],
  [1, 2, 1, 2, 1, 2],
  [2, 1, 2, 1, 2, 0],
];

const VALUES = {
  float32: [0.5, -1.5, 2.5, 0, 1, -1, 3.25, -2.5, 0.3, 7, -0.7, Number.NaN, Number.POSITIVE_INFINITY],
  int32: [3, -2, 5, 1, 7, -5, 9, -8, 2, 4, 6, -1, 0],
  bool: [1, 0, 0, 1, 1],
  string: ['a', '', 'é', 'b', 'a', '日本', 'zz', 'a b'],
  complex64: [0.5, -1.5, 2.5, 0, 1, -1, 3.25],
};

/** A call of an op on two tensors of the same dtype and shape. */
type Call = (x: tf.Tensor, y: tf.Tensor, dtype: Dtype) => tf.Tensor | tf.Tensor[];

const ops = { ...tf, ...tf.spectral } as unknown as Record<string, (...args: unknown[]) => tf.Tensor>;
const op = (name: string) => ops[name]!;

const UNARY =
  'abs acos acosh asin asinh atan atanh ceil cos cosh elu erf exp expm1 floor isFinite isInf isNaN leakyRelu log log1p logicalNot logSigmoid neg onesLike reciprocal relu relu6 round rsqrt selu sigmoid sign sin sinh softmax softplus logSoftmax sqrt square step tan tanh zerosLike all any max min mean prod sum logSumExp argMax argMin cumsum cumprod reverse transpose diag real imag clone fft ifft irfft';
const BINARY =
  'add sub mul div divNoNan floorDiv maximum minimum mod pow squaredDifference atan2 equal notEqual greater greaterEqual less lessEqual logicalAnd logicalOr logicalXor prelu complex';

const calls: Record<string, Call> = {
  ...Object.fromEntries(UNARY.split(' ').map((name) => [name, (x) => op(name)(x)] satisfies [string, Call])),
  ...Object.fromEntries(
    BINARY.split(' ').flatMap((name): [string, Call][] => [
      [name, (x, y) => op(name)(x, y)],
      [`${name} a scalar`, (x, _, dtype) => op(name)(x, tensorOf(dtype, [], 2))],
    ]),
  ),
  ...Object.fromEntries(
    DTYPES.map((to): [string, Call] => [`cast to ${to}`, (x) => tf.cast(x, to as tf.DataType)]),
  ),
  ...Object.fromEntries(
    ['max', 'min', 'mean', 'prod', 'sum', 'all', 'any', 'argMax', 'cumsum', 'reverse'].map(
      (name): [string, Call] => [`${name} of the last axis`, (x) => op(name)(x, -1)],
    ),
  ),
  // What TensorFlow's FFT makes of NaN and infinity is one or the other.
  rfft: (x, _, dtype) => tf.spectral.rfft(dtype === 'float32' ? wholes(x.shape) : x),
  clipByValue: (x) => tf.clipByValue(x, -1, 2),
  addN: (x, y) => tf.addN([x, y]),
  where: (x, y) => tf.where(tensorOf('bool', x.shape, 0), x, y),
  concat: (x, y) => tf.concat([x, y]),
  'concat along the last axis': (x, y) => tf.concat([x, y], -1),
  stack: (x, y) => tf.stack([x, y]),
  'stack along the last axis': (x, y) => tf.stack([x, y], -1),
  unstack: (x) => tf.unstack(x),
  split: (x) => tf.split(x, [1, (x.shape[0] ?? 1) - 1]),
  expandDims: (x) => tf.expandDims(x, -1),
  reshape: (x) => tf.reshape(x, [x.size, 1]),
  tile: (x) =>
    tf.tile(
      x,
      [...x.shape.keys()].map((i) => i + 1),
    ),
  broadcastTo: (x) => tf.broadcastTo(x, [2, ...x.shape]),
  pad: (x) =>
    tf.pad(
      x,
      x.shape.map(() => [1, 0] as [number, number]),
    ),
  mirrorPad: (x) =>
    tf.mirrorPad(
      x,
      x.shape.map(() => [1, 0] as [number, number]),
      'symmetric',
    ),
  slice: (x) =>
    tf.slice(
      x,
      x.shape.map((size) => Math.max(0, size - 1)),
    ),
  stridedSlice: (x) =>
    tf.stridedSlice(
      x,
      x.shape.map(() => 0),
      x.shape,
      x.shape.map(() => 2),
    ),
  gather: (x) => tf.gather(x, tf.tensor1d([0, 0], 'int32')),
  gatherND: (x) => tf.gatherND(x, tf.tensor2d([[0], [0]], [2, 1], 'int32')),
  scatterND: (x) => tf.scatterND(tf.tensor2d([[0]], [1, 1], 'int32'), tf.slice(x, 0, 1), x.shape),
  topk: (x) => Object.values(tf.topk(x, 1)),
  unique: (x) => Object.values(tf.unique(x)),
  oneHot: (x) => tf.oneHot(tf.zerosLike(x), 3),
  unsortedSegmentSum: (x) => tf.unsortedSegmentSum(x, tf.zeros([x.shape[0] ?? 1], 'int32'), 2),
  bincount: (x, y) => tf.bincount(tf.zerosLike(x) as tf.Tensor1D, y as tf.Tensor1D, 3),
  matMul: (x, y) => tf.matMul(x, y, false, true),
  spaceToBatchND: (x) => tf.spaceToBatchND(x, [2], [[0, (x.shape[1] ?? 0) % 2]]),
  staticRegexReplace: (x) => tf.string.staticRegexReplace(x, 'a', 'b'),
  'the gradient of the mean': (x) => tf.grad((t: tf.Tensor) => tf.mean(t))(x),
  'the gradient of softmax': (x) => tf.grad((t: tf.Tensor) => tf.softmax(t))(x),
};

function wholes(shape: number[]): tf.Tensor {
  return tf.cast(tensorOf('int32', shape, 0), 'float32');
}

function tensorOf(dtype: Dtype, shape: number[], from: number): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  const take = <T>(values: readonly T[], skip: number): T[] =>
    Array.from({ length: size }, (_, i) => values[(i + skip) % values.length]!);
  if (dtype !== 'complex64')
    return tf.tensor(take<number | string>(VALUES[dtype], from) as number[], shape, dtype);
  return tf.complex(
    tf.tensor(take(VALUES.complex64, from), shape),
    tf.tensor(take(VALUES.complex64, from + 3), shape),
  );
}

/** Of each op and dtype, what the backend in use answers for each shape: `throws`, or its dtype, shape and digest. */
export function sweep(): Map<string, string[]> {
  const cases = Object.entries(calls).flatMap(([name, call]) =>
    DTYPES.map((dtype) => [`${name}, ${dtype}`, SHAPES.map((shape) => answer(call, dtype, shape))] as const),
  );
  return new Map(cases);
}

function answer(call: Call, dtype: Dtype, shape: number[]): string {
  try {
    return tf.tidy(() => {
      const y = call(tensorOf(dtype, shape, 0), tensorOf(dtype, shape, 3), dtype);
      return [y].flat().map(digestOf).join('; ') as unknown as tf.TensorContainer;
    }) as unknown as string;
  } catch {
    return 'throws';
  }
}

/** A number that changes with every value, and little where one changes little. */
function digestOf(y: tf.Tensor): string {
  const values = Array.from(y.dataSync() as unknown as ArrayLike<number | string>, (value, i) => {
    const x =
      typeof value === 'string' ? [...value].reduce((sum, c) => sum * 31 + c.codePointAt(0)!, 7) : value;
    if (Number.isNaN(x)) return Math.cos(i);
    return Math.min(50, Math.log1p(Math.abs(x))) * Math.sign(x) * (1 + Math.sin(i));
  });
  return `${y.dtype}[${y.shape}] ${values.reduce((sum, value) => sum + value, 0).toFixed(3)}`;
}
