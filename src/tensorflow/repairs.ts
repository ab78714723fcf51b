import * as tf from '@tensorflow/tfjs-core';
import { dilatedDepthwise, fusedDilatedDepthwise } from './dilation.js';

type KernelArguments = Parameters<tf.KernelFunc>[0];
type KernelResult = ReturnType<tf.KernelFunc>;

/** One of tfjs-node's kernels that a newer TensorFlow than its own (2.9) would change, and its repair. */
export interface Repair {
  readonly kernelName: string;
  /** The change, and what is right. README and the tests speak of the same list. */
  readonly reason: string;
  /** Whether a call is one that went wrong; every other call goes to tfjs-node's own kernel. */
  applies(call: KernelArguments): boolean;
  run(call: KernelArguments, own: tf.KernelFunc): KernelResult;
}

/**
 * All that TensorFlow 2.21 answers in another way than 2.9 did, as tfjs-node calls it. Found by running tfjs-core's
 * specs, and each op over every dtype and the ranks 0 to 6, on both.
 */
export const repairs: readonly Repair[] = [
  {
    kernelName: 'Round',
    reason: 'of int32, zeros; a whole number is itself',
    applies: ({ inputs: { x } }) => x!.dtype === 'int32',
    run: ({ inputs: { x } }) => tf.clone(x as tf.Tensor),
  },
  {
    kernelName: 'Acos',
    reason: 'of int32, an error; as float32, cut to whole numbers again',
    applies: ({ inputs: { x } }) => x!.dtype === 'int32',
    run: ({ inputs: { x } }) => tf.tidy(() => tf.acos(tf.cast(x as tf.Tensor, 'float32')).toInt()),
  },
  {
    kernelName: 'Concat',
    reason: 'of scalars, an error; they make a vector',
    applies: ({ inputs, attrs }) =>
      attrs!.axis === 0 && tensors(inputs).every(({ shape }) => shape.length === 0),
    run: (call, own) =>
      tf.tidy(() => {
        const vectors = tensors(call.inputs).map((scalar) => tf.reshape(scalar, [1]));
        return own({ ...call, inputs: vectors as unknown as tf.NamedTensorInfoMap }) as tf.Tensor;
      }),
  },
  {
    kernelName: 'DepthwiseConv2dNative',
    reason: 'with dilations and without oneDNN, an error where 2.9 forgot the dilations; by space to batch',
    applies: isDilated,
    run: dilatedDepthwise,
  },
  {
    kernelName: 'FusedDepthwiseConv2D',
    reason: 'as DepthwiseConv2dNative',
    applies: isDilated,
    run: fusedDilatedDepthwise,
  },
];

const REPAIRED = Symbol.for('polycom.repaired');

/** Puts the repairs before tfjs-node's own kernels. Doing it again, also by another copy of this package, does nothing. */
export function repairKernels(): void {
  for (const repair of repairs) repairKernel(repair);
}

function repairKernel({ kernelName, applies, run }: Repair): void {
  const config = tf.getKernel(kernelName, 'tensorflow');
  if (config == null || REPAIRED in config) return;
  const own = config.kernelFunc;
  tf.unregisterKernel(kernelName, 'tensorflow'); // else tfjs warns
  tf.registerKernel({
    ...config,
    kernelFunc: (call) => (applies(call) ? run(call, own) : own(call)),
    [REPAIRED]: true,
  } as tf.KernelConfig);
}

function tensors(inputs: tf.NamedTensorInfoMap): tf.Tensor[] {
  return Object.values(inputs) as tf.Tensor[];
}

function isDilated({ attrs }: KernelArguments): boolean {
  return [attrs!.dilations ?? 1].flat().some((rate) => rate !== 1);
}
