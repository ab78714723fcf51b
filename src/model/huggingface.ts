import { invalidFile, PolycomError } from '../common/errors.js';
import { excerpt, nameOf } from '../common/excerpt.js';
import { isObject } from '../common/objects.js';
import type { HalfDtype } from '../native/dtype.js';
import { isGated } from '../op/gated.js';
import { activationOf, isFused } from './activation.js';
import { checkConfig } from './check.js';
import type { ActivationOptions, ModelConfig } from './config.js';

/** What Hugging Face's `hidden_act` is here: LLaMA's feed-forward network is always gated. */
const HIDDEN_ACTS: Readonly<Record<string, string>> = {
  silu: 'swiglu',
  gelu: 'geglu',
  relu: 'reglu',
};

/** Our names of their fields. */
const NAMES = {
  vocab_size: 'vocabulary',
  hidden_size: 'width',
  intermediate_size: 'hidden',
  num_hidden_layers: 'layers',
  num_attention_heads: 'heads',
  num_key_value_heads: 'kvHeads',
  head_dim: 'headWidth',
  max_position_embeddings: 'context',
  tie_word_embeddings: 'tied',
  rms_norm_eps: 'normEpsilon',
  initializer_range: 'deviation',
} as const;
const EXPERT_NAMES = {
  num_experts: 'count',
  num_experts_per_tok: 'active',
  norm_topk_prob: 'normalised',
  expert_coefficients: 'coefficients',
  router_aux_loss_coef: 'balanceWeight',
  router_z_loss_coef: 'zWeight',
} as const;

/** The `model_type` of models that LLaMA's form does not hold. */
const POLYCOM = 'polycom';

const ELSEWHERE = "run this model with PyTorch's transformers, or take another one";

/** What the transformer here lacks of models whose activation it has, by their `model_type`. */
const LACKING: Readonly<Record<string, string>> = {
  apertus: "RMSNorm of each head's queries and keys",
  deepseek_v4: 'compressed attention and hyper-connections',
  gpt_oss: 'attention sinks, sliding windows and biases',
  kimi_k3: 'linear and latent attention',
  step3p5: 'sliding windows, and limits that differ by the layer',
  step3p7: 'sliding windows, and limits that differ by the layer',
};

/** A `config.json`. */
export type HuggingFaceConfig = { readonly [key: string]: unknown };

/** Whether PyTorch's transformers can hold the model as a plain `LlamaForCausalLM`. */
export function isLlamaForm(config: ModelConfig): boolean {
  const { activation, activationOptions, qkNorm, experts, dropout, width, heads } = config;
  const plain = Object.keys(optionsOf(activationOptions)).length === 0;
  const known = plain && Object.values(HIDDEN_ACTS).includes(activation);
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
  refuseVariants(config);
  const llama = isLlamaForm(config);
  return {
    architectures: [llama ? 'LlamaForCausalLM' : 'PolycomForCausalLM'],
    ...(llama ? llamaFields(config) : polycomFields(config)),
    ...inTheirNames(config, NAMES),
    bos_token_id: beginOfText ?? null,
    eos_token_id: endOfText ?? null,
    pad_token_id: null,
    torch_dtype: TORCH_DTYPES[dtype],
  };
}

function refuseVariants({ activation }: ModelConfig): void {
  if (isFused(activationOf(activation))) return;
  throw new PolycomError('UNSUPPORTED', `Hugging Face's form has no activation ${activation}`, {
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
  activationOptions,
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
    activation_options: optionsOf(activationOptions),
    gated: isGated(activationOf(activation)),
    qk_norm: qkNorm,
    dropout,
    rope_theta: ropeBase,
    ...(experts === undefined ? {} : inTheirNames(experts, EXPERT_NAMES)),
  };
}

/** The activation's scalars. What its weights began with is no matter any more. */
function optionsOf({ init: _, ...options }: ActivationOptions = {}): ActivationOptions {
  return options;
}

function inTheirNames<T extends object>(
  fields: T,
  names: Readonly<Record<string, keyof T>>,
): HuggingFaceConfig {
  return Object.fromEntries(Object.entries(names).map(([theirs, ours]) => [theirs, fields[ours]]));
}

function inOurNames(fields: HuggingFaceConfig, names: Readonly<Record<string, string>>): Unchecked {
  return Object.fromEntries(Object.entries(names).map(([theirs, ours]) => [ours, fields[theirs]]));
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
  if (!isObject(json)) throw invalidFile(where, 'it is not an object', CONFIG_REMEDY);
  const fields = json;
  const { model_type: type } = fields;
  if (type !== 'llama' && type !== POLYCOM) {
    const others = typeof type === 'string' && Object.hasOwn(LACKING, type) ? LACKING[type] : undefined;
    const remedy = others && `its activation is here, but not its ${others}: ${ELSEWHERE}`;
    const expected = "a model of type 'llama', or one that polycom exported";
    throw unsupported(where, 'model_type', type, expected, remedy);
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
  const { num_attention_heads: heads, hidden_size: width } = fields;
  // Only of numbers: what else a file may hold is refused below, and dividing it may overflow the stack.
  const divides = typeof width === 'number' && typeof heads === 'number';
  const defaults = {
    num_key_value_heads: heads,
    head_dim: divides ? Math.floor(width / heads) : undefined,
    max_position_embeddings: 2048,
    tie_word_embeddings: false,
    rms_norm_eps: 1e-6,
    initializer_range: 0.02,
  };
  const said = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return {
    ...inOurNames({ ...defaults, ...Object.fromEntries(said) }, NAMES),
    ropeBase: ropeOf(fields).rope_theta ?? fields.rope_theta ?? 10_000,
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
  const options = fields.activation_options as object | undefined;
  const activationOptions = Object.keys(options ?? {}).length === 0 ? {} : { activationOptions: options };
  const dense = { activation, ...activationOptions, order, qkNorm, dropout };
  if (count === undefined || count === null) return dense;
  return { ...dense, experts: inOurNames(fields, EXPERT_NAMES) };
}

/** What the file says of the rotary embedding, beside its base. transformers 5 writes the former, those before it the latter. */
const ROPE_KEYS = ['rope_parameters', 'rope_scaling'] as const;

function ropeOf(fields: HuggingFaceConfig): HuggingFaceConfig {
  return (fields.rope_parameters ?? fields.rope_scaling ?? {}) as HuggingFaceConfig;
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
  if (!isObject(rope))
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
  remedy = ELSEWHERE,
): PolycomError {
  const text = value === undefined ? 'absent' : excerpt(value);
  return new PolycomError('UNSUPPORTED', `${where}: ${what} is ${text}; expected ${expected}`, { remedy });
}
