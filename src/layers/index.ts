/**
 * `polycom/layers`: PolyNorm, PolyReLU and every other activation as layers of tfjs-layers (a peer: the copy that the
 * application uses), with trained parameters. Importing this registers their classes, so that `tf.loadLayersModel` knows them. They run
 * fused where the ops do: `import 'polycom/tensorflow'` first gives that to tfjs-node.
 */
export type { Norm } from '../activations/polynorm.js';
export { ActivationLayer, type ActivationLayerArgs, activationLayer } from './activation.js';
export {
  type LayerArgs,
  type ParameterArgs,
  ParameterLayer,
  PolyComLayer,
  type PolyComLayerArgs,
} from './layer.js';
export { PolyNormLayer, type PolyNormLayerArgs, polyNormLayer } from './polynorm.js';
export { PolyReluLayer, polyReluLayer } from './polyrelu.js';
export type { Constraint, Identifier, Initializer, Regularizer } from './serialize.js';
