import { sizeOf } from '../native/dtype.js';
import { isGated } from '../op/gated.js';
import { activationOf, coefficientShape, coefficientsOf } from './activation.js';
import type { ModelConfig } from './config.js';

/** The name of a layer's parameter: `model.layers.3.mlp.up_proj.weight`. */
function layerName(layer: number, name: string): string {
  return `model.layers.${layer}.${name}`;
}

/**
 * The parameters' shapes by name, in the order of the model, named as Hugging Face's LLaMA (and OLMoE, for a mixture)
 * names them; matrices are [out, in]. Allocates nothing.
 */
export function parameterShapes(config: ModelConfig): Map<string, number[]> {
  return new Map(eachParameter(config));
}

/** As {@link parameterShapes}, one by one: a configuration from a file may speak of any number of layers. */
export function* eachParameter(config: ModelConfig): Generator<[name: string, shape: number[]]> {
  const { vocabulary, width, layers, tied } = config;
  yield ['model.embed_tokens.weight', [vocabulary, width]];
  for (let i = 0; i < layers; ++i) {
    for (const [name, shape] of attentionShapes(config)) yield [layerName(i, name), shape];
    for (const [name, shape] of feedForwardShapes(config)) yield [layerName(i, name), shape];
  }
  yield ['model.norm.weight', [width]];
  if (!tied) yield ['lm_head.weight', [vocabulary, width]];
}

/** How many parameters {@link eachParameter} gives, without making them. */
export function parameterTensors(config: ModelConfig): number {
  const { layers, tied, experts } = config;
  const [network, coefficients] = [networkShapes(config).length, coefficientShapes(config).length];
  const shared = experts === undefined || experts.coefficients === 'layer';
  const expert = network + (shared ? 0 : coefficients);
  const feedForward =
    (experts === undefined ? expert : 1 + experts.count * expert) + (shared ? coefficients : 0);
  return layers * (attentionShapes(config).length + feedForward) + (tied ? 2 : 3);
}

type Shapes = [name: string, shape: number[]][];

function attentionShapes({ width, heads, kvHeads, headWidth, qkNorm }: ModelConfig): Shapes {
  const [q, kv] = [heads * headWidth, kvHeads * headWidth];
  const norms: Shapes = [
    ['self_attn.q_norm.weight', [q]],
    ['self_attn.k_norm.weight', [kv]],
  ];
  return [
    ['input_layernorm.weight', [width]],
    ['self_attn.q_proj.weight', [q, width]],
    ['self_attn.k_proj.weight', [kv, width]],
    ['self_attn.v_proj.weight', [kv, width]],
    ...(qkNorm ? norms : []),
    ['self_attn.o_proj.weight', [width, q]],
    ['post_attention_layernorm.weight', [width]],
  ];
}

function* feedForwardShapes(config: ModelConfig): Generator<[name: string, shape: number[]]> {
  const { width, experts } = config;
  const network = networkShapes(config);
  const coefficients = coefficientShapes(config);
  if (experts === undefined) {
    yield* under('mlp', [...network, ...coefficients]);
    return;
  }
  const shared = experts.coefficients === 'layer';
  yield ['mlp.gate.weight', [experts.count, width]];
  for (let e = 0; e < experts.count; ++e) {
    yield* under(`mlp.experts.${e}`, shared ? network : [...network, ...coefficients]);
  }
  if (shared) yield* under('mlp', coefficients);
}

function networkShapes({ width, hidden, activation }: ModelConfig): Shapes {
  const gate: Shapes = isGated(activationOf(activation)) ? [['gate_proj.weight', [hidden, width]]] : [];
  return [...gate, ['up_proj.weight', [hidden, width]], ['down_proj.weight', [width, hidden]]];
}

function coefficientShapes(config: ModelConfig): Shapes {
  return coefficientsOf(activationOf(config.activation)).map((name) => [
    `activation.${name}`,
    coefficientShape(name, config),
  ]);
}

function under(prefix: string, shapes: Shapes): Shapes {
  return shapes.map(([name, shape]) => [`${prefix}.${name}`, [...shape]]);
}

/** How many numbers the model holds, and how many of them one token meets: in a mixture, those of `active` experts. */
export function parameterCounts(config: ModelConfig): { total: number; active: number } {
  let [total, ofExperts] = [0, 0];
  for (const [name, shape] of parameterShapes(config)) {
    const size = sizeOf(shape);
    total += size;
    if (name.includes('.experts.')) ofExperts += size;
  }
  const { experts } = config;
  if (experts === undefined) return { total, active: total };
  return { total, active: total - ofExperts + (ofExperts / experts.count) * experts.active };
}
