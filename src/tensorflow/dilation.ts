import * as tf from '@tensorflow/tfjs-core';

type KernelArguments = Parameters<tf.KernelFunc>[0];

/** What this file uses of tfjs-node's backend. */
interface ActivatingBackend {
  applyActivation(x: tf.Tensor, activation: string, prelu?: tf.Tensor, leakyreluAlpha?: number): tf.Tensor;
}

/**
 * A depthwise convolution with dilations, as TensorFlow's own Python makes it: each phase of the image is an image of
 * its own in the batch, and has no dilation.
 */
export function dilatedDepthwise(call: KernelArguments, own: tf.KernelFunc): ReturnType<tf.KernelFunc> {
  const { x, filter } = call.inputs as { x: tf.Tensor4D; filter: tf.Tensor4D };
  const attrs = call.attrs as unknown as tf.DepthwiseConv2dNativeAttrs;
  const { padInfo, strideHeight, strideWidth, dilationHeight, dilationWidth } =
    tf.backend_util.computeConv2DInfo(
      x.shape,
      filter.shape,
      attrs.strides,
      attrs.dilations,
      attrs.pad,
      attrs.dimRoundingMode,
      true,
    );
  // tfjs takes no strides beside dilations, and tfjs-node no such padding.
  if (padInfo.type === 'NUMBER' || strideHeight !== 1 || strideWidth !== 1) return own(call);
  const { top, bottom, left, right } = padInfo;
  const rates = [dilationHeight, dilationWidth];
  const [down, across] = [
    fill(x.shape[1] + top + bottom, dilationHeight),
    fill(x.shape[2] + left + right, dilationWidth),
  ];
  return tf.tidy(() => {
    const phases = tf.spaceToBatchND(x, rates, [
      [top, bottom + down],
      [left, right + across],
    ]);
    const y = own({
      ...call,
      inputs: { x: phases, filter },
      attrs: { ...call.attrs, pad: 'valid', dilations: [1, 1] },
    });
    return tf.batchToSpaceND(y as tf.Tensor, rates, [
      [0, down],
      [0, across],
    ]);
  });
}

/** The same with a bias and an activation, as tfjs-node's kernel has them. */
export function fusedDilatedDepthwise({ inputs, attrs, backend }: KernelArguments): tf.TensorInfo {
  const { x, filter, bias, preluActivationWeights } = inputs as { [name: string]: tf.Tensor };
  const { activation, leakyreluAlpha } = attrs as unknown as tf.FusedDepthwiseConv2DAttrs;
  return tf.tidy(() => {
    const y = tf.engine().runKernel('DepthwiseConv2dNative', { x: x!, filter: filter! }, attrs) as tf.Tensor;
    const shifted = bias == null ? y : tf.add(y, bias);
    return (backend as ActivatingBackend).applyActivation(
      shifted,
      activation,
      preluActivationWeights,
      leakyreluAlpha,
    );
  });
}

/** What is missing from a size to a multiple of the rate. */
function fill(size: number, rate: number): number {
  return (rate - (size % rate)) % rate;
}
