import { invalidFile, PolycomError } from '../errors.js';
import { excerpt, nameOf } from '../excerpt.js';
import type { HalfDtype } from '../native/dtype.js';
import { activationOf, isFused, isGated } from './activation.js';
import { checkConfig } from './check.js';
import type { ExpertConfig, ModelConfig } from './config.js';

/** What Hugging Face's `hidden_act` is here: LLaMA's feed-forward network is always gated. */
const HIDDEN_ACTS: Readonly<Record<string, string>> = {
  silu: 'swiglu',
  gelu: 'geglu',
  relu: 'reglu',
};

/** The `model_type` of models that LLaMA's form does not hold. */
const POLYCOM = 'polycom';

/** A `config.json`. */
export type HuggingFaceConfig = { readonly [key: string]: unknown };

/** Whether PyTorch's transformers can hold the model as a plain `LlamaForCausalLM`. */
export function isLlamaForm(config: ModelConfig): boolean {
  const { activation, qkNorm, experts, dropout, width, heads } = config;
  const known = Object.values(HIDDEN_ACTS).includes(activation);
  return known && !qkNorm && experts === undefined && dropout === 0 && width % heads === 0;
}

/** What a folder in Hugging Face's form says beside the model. */
export interface HuggingFaceOptions {
  /** The token or tokens at which generation in transformers stops; none by default. */
  readonly endOfText?: number | readonly number[];
  /** The token that stands before each text; none by default. */
  readonly beginOfText?: number;
  /** How the weights are stored, and what transformers loads them as: `f32` by default. */
  readonly dtype?: 'f32' | HalfDtype;
}

const TORCH_DTYPES = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' };

/**
 * A model's configuration as Hugging Face's `config.json`: of `LlamaForCausalLM` where that holds the model, else of
 * `PolycomForCausalLM` (src/checkpoint/python).
 *
 * @throws {PolycomError} `UNSUPPORTED` for an activation of ablations, of which `PolycomForCausalLM` has no form
 */
export function toHuggingFace(
  config: ModelConfig,
  { endOfText, beginOfText, dtype = 'f32' }: HuggingFaceOptions = {},
): HuggingFaceConfig {
  refuseAblations(config);
  const llama = isLlamaForm(config);
  return {
    architectures: [llama ? 'LlamaForCausalLM' : 'PolycomForCausalLM'],
    ...(llama ? llamaFields(config) : polycomFields(config)),
    vocab_size: config.vocabulary,
    hidden_size: config.width,
    intermediate_size: config.hidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headWidth,
    max_position_embeddings: config.context,
    tie_word_embeddings: config.tied,
    rms_norm_eps: config.normEpsilon,
    initializer_range: config.deviation,
    bos_token_id: beginOfText ?? null,
    eos_token_id: endOfText ?? null,
    pad_token_id: null,
    torch_dtype: TORCH_DTYPES[dtype],
  };
}

/** What the coefficients began with is no matter any more. */
function refuseAblations({ activation, activationOptions: { epsilon, norm } = {} }: ModelConfig): void {
  const changed = Object.entries({ epsilon, norm }).filter(([, value]) => value !== undefined);
  if (isFused(activationOf(activation)) && changed.length === 0) return;
  const what = [activation, ...changed.map(([name, value]) => `${name} ${value}`)].join(' with ');
  throw new PolycomError('UNSUPPORTED', `Hugging Face's form has no activation ${what}`, {
    op: 'export',
    remedy: 'it is for ablations: keep the checkpoint, which holds it',
  });
}

function llamaFields({ activation, ropeBase }: ModelConfig): HuggingFaceConfig {
  const [act] = Object.entries(HIDDEN_ACTS).find(([, name]) => name === activation)!;
  return {
    model_type: 'llama',
    hidden_act: act,
    attention_bias: false,
    mlp_bias: false,
    // transformers 5 reads the latter, those before it the former.
    rope_theta: ropeBase,
    rope_parameters: { rope_type: 'default', rope_theta: ropeBase },
  };
}

function polycomFields({
  activation,
  order,
  qkNorm,
  dropout,
  ropeBase,
  experts,
}: ModelConfig): HuggingFaceConfig {
  return {
    model_type: POLYCOM,
    auto_map: {
      AutoConfig: 'configuration_polycom.PolycomConfig',
      AutoModel: 'modeling_polycom.PolycomModel',
      AutoModelForCausalLM: 'modeling_polycom.PolycomForCausalLM',
    },
    activation,
    activation_order: order,
    gated: isGated(activationOf(activation)),
    qk_norm: qkNorm,
    dropout,
    rope_theta: ropeBase,
    ...(experts === undefined ? {} : expertFields(experts)),
  };
}

function expertFields(experts: ExpertConfig): HuggingFaceConfig {
  return {
    num_experts: experts.count,
    num_experts_per_tok: experts.active,
    norm_topk_prob: experts.normalised,
    expert_coefficients: experts.coefficients,
    router_aux_loss_coef: experts.balanceWeight,
    router_z_loss_coef: experts.zWeight,
  };
}

/**
 * The model that a `config.json` describes: LLaMA's, or one of {@link toHuggingFace}. What the file leaves out has
 * the value that transformers gives it.
 *
 * @param where the file, for messages
 * @throws {PolycomError} `UNSUPPORTED` for another kind of model or a part that there is none of here; `INVALID_FILE`
 *   for values that make no model
 */
export function fromHuggingFace(json: unknown, where: string): ModelConfig {
  if (!isFields(json)) throw invalidFile(where, 'it is not an object', CONFIG_REMEDY);
  const fields = json;
  const { model_type: type } = fields;
  if (type !== 'llama' && type !== POLYCOM) {
    throw unsupported(where, 'model_type', type, "a model of type 'llama', or one that polycom exported");
  }
  refuseOthers(fields, where);
  const missing = REQUIRED.find((key) => fields[key] === undefined);
  if (missing !== undefined) throw invalidFile(where, `it has no ${missing}`, CONFIG_REMEDY);
  const config = {
    ...sharedConfig(fields),
    ...(type === 'llama' ? llamaConfig(fields, where) : polycomConfig(fields)),
  };
  try {
    return checkConfig(config as ModelConfig);
  } catch (cause) {
    throw invalidFile(where, (cause as Error).message, CONFIG_REMEDY, cause);
  }
}

const CONFIG_REMEDY = "correct it, or download the model's config.json again";

const REQUIRED: readonly string[] = [
  'vocab_size',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
];

/** Fields in our names, their values unchecked. */
type Unchecked = { readonly [key in keyof ModelConfig]?: unknown };

function sharedConfig(fields: HuggingFaceConfig): Unchecked {
  const heads = fields.num_attention_heads as number;
  return {
    vocabulary: fields.vocab_size,
    width: fields.hidden_size,
    layers: fields.num_hidden_layers,
    heads,
    kvHeads: fields.num_key_value_heads ?? heads,
    headWidth: fields.head_dim ?? Math.floor((fields.hidden_size as number) / heads),
    hidden: fields.intermediate_size,
    context: fields.max_position_embeddings ?? 2048,
    tied: fields.tie_word_embeddings ?? false,
    ropeBase: ropeOf(fields).rope_theta ?? fields.rope_theta ?? 10_000,
    normEpsilon: fields.rms_norm_eps ?? 1e-6,
    deviation: fields.initializer_range ?? 0.02,
  };
}

function llamaConfig({ hidden_act: act = 'silu' }: HuggingFaceConfig, where: string): Unchecked {
  if (typeof act !== 'string' || !Object.hasOwn(HIDDEN_ACTS, act)) {
    throw unsupported(where, 'hidden_act', act, Object.keys(HIDDEN_ACTS).join(', '));
  }
  return { activation: HIDDEN_ACTS[act], order: 3, qkNorm: false, dropout: 0 };
}

function polycomConfig(fields: HuggingFaceConfig): Unchecked {
  const { activation, activation_order: order, qk_norm: qkNorm, dropout, num_experts: count } = fields;
  const dense = { activation, order, qkNorm, dropout };
  if (count === undefined || count === null) return dense;
  const experts = {
    count,
    active: fields.num_experts_per_tok,
    coefficients: fields.expert_coefficients,
    normalised: fields.norm_topk_prob,
    balanceWeight: fields.router_aux_loss_coef,
    zWeight: fields.router_z_loss_coef,
  };
  return { ...dense, experts };
}

/** What the file says of the rotary embedding, beside its base. transformers 5 writes the former, those before it the latter. */
const ROPE_KEYS = ['rope_parameters', 'rope_scaling'] as const;

function ropeOf(fields: HuggingFaceConfig): HuggingFaceConfig {
  return (fields.rope_parameters ?? fields.rope_scaling ?? {}) as HuggingFaceConfig;
}

function isFields(value: unknown): value is HuggingFaceConfig {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Refuses the parts of LLaMA-like models that the transformer here does not have. */
function refuseOthers(fields: HuggingFaceConfig, where: string): void {
  for (const key of ['attention_bias', 'mlp_bias'] as const) {
    if (fields[key]) throw unsupported(where, key, fields[key], 'false: linear maps without bias');
  }
  for (const key of ['sliding_window', 'quantization_config'] as const) {
    if (fields[key]) throw unsupported(where, key, fields[key], 'none');
  }
  if (fields.attention_dropout) {
    const remedy = 'set it to 0 in the file: it has a part in training only';
    throw unsupported(where, 'attention_dropout', fields.attention_dropout, '0', remedy);
  }
  for (const key of ROPE_KEYS) refuseOtherRope(key, fields[key] ?? {}, where);
}

function refuseOtherRope(key: string, rope: unknown, where: string): void {
  if (!isFields(rope))
    throw invalidFile(where, `${key} is ${excerpt(rope)}; expected an object`, CONFIG_REMEDY);
  const { rope_type: kind = rope.type ?? 'default', partial_rotary_factor: part = 1 } = rope;
  if (kind !== 'default') {
    throw unsupported(where, 'the rotary embedding', kind, "'default', without scaling");
  }
  if (part !== 1) throw unsupported(where, 'partial_rotary_factor', part, '1');
  // One for each kind of layer, as models with windows have it.
  const inner = Object.entries(rope).find(([, value]) => typeof value === 'object' && value !== null);
  if (inner === undefined) return;
  throw unsupported(where, `${key}.${nameOf(inner[0])}`, inner[1], 'one rotary embedding for all layers');
}

function unsupported(
  where: string,
  what: string,
  value: unknown,
  expected: string,
  remedy = "run this model with PyTorch's transformers, or take another one",
): PolycomError {
  const text = value === undefined ? 'absent' : excerpt(value);
  return new PolycomError('UNSUPPORTED', `${where}: ${what} is ${text}; expected ${expected}`, { remedy });
}
