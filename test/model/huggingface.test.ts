import { expect, test } from 'vitest';
import { PolycomError } from '../../src/common/errors.js';
import { fromHuggingFace, isLlamaForm, toHuggingFace } from '../../src/model/huggingface.js';
import { configOf, presetNames } from '../../src/model/presets.js';

/** As transformers wrote it before its version 5. */
const LLAMA = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 32000,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  hidden_act: 'silu',
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  rope_theta: 500000.0,
  rope_scaling: null,
  tie_word_embeddings: false,
  attention_bias: false,
  initializer_range: 0.02,
  pretraining_tp: 1,
  torch_dtype: 'float16',
};

function problemOf(json: unknown): PolycomError {
  try {
    fromHuggingFace(json, 'dir/config.json');
  } catch (error) {
    if (error instanceof PolycomError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

test('reads what transformers 4 wrote, and what it left out', () => {
  const {
    num_key_value_heads,
    max_position_embeddings,
    rms_norm_eps,
    rope_theta,
    initializer_range,
    ...rest
  } = LLAMA;
  expect(fromHuggingFace(LLAMA, 'x')).toMatchObject({
    kvHeads: 8,
    headWidth: 128,
    ropeBase: 500_000,
    tied: false,
  });
  expect(fromHuggingFace(rest, 'x')).toMatchObject({
    kvHeads: 32,
    context: 2048,
    normEpsilon: 1e-6,
    ropeBase: 10_000,
    deviation: 0.02,
  });
});

test('takes the base of the rotary embedding from where transformers 5 has it', () => {
  const { rope_theta, rope_scaling, ...rest } = LLAMA;
  const now = { ...rest, rope_parameters: { rope_type: 'default', rope_theta: 1234.5 } };
  expect(fromHuggingFace(now, 'x').ropeBase).toBe(1234.5);
});

test.each(presetNames)('the preset %s comes back, with any activation', (preset) => {
  for (const activation of ['polynorm', 'swiglu', 'geglu', 'relu'] as const) {
    const config = configOf(preset, { activation, order: 3 });
    const json: unknown = JSON.parse(JSON.stringify(toHuggingFace(config)));
    expect(fromHuggingFace(json, 'x')).toEqual(config);
  }
});

test('what LLaMA can hold is a LLaMA, with an end of text where one is named', () => {
  const swiglu = configOf('small', { activation: 'swiglu' });
  expect(toHuggingFace(swiglu, { endOfText: 256 })).toMatchObject({
    model_type: 'llama',
    hidden_act: 'silu',
    eos_token_id: 256,
  });
  expect(toHuggingFace(swiglu)).toMatchObject({ bos_token_id: null, eos_token_id: null });
  const others = [{ qkNorm: true }, { dropout: 0.1 }, { activation: 'silu' as const }, { width: 190 }];
  for (const other of others) expect(isLlamaForm({ ...swiglu, ...other })).toBe(false);
});

test.each<[problem: RegExp, fields: object]>([
  [/model_type is "mistral"; expected a model of type 'llama'/, { model_type: 'mistral' }],
  [/model_type is absent/, { model_type: undefined }],
  [
    /model_type is "gpt_oss"; .*\n {2}remedy: its activation is here, but not its attention sinks/,
    { model_type: 'gpt_oss', swiglu_limit: 7 },
  ],
  [/model_type is "apertus"; .*\n.* but not its RMSNorm of each head's queries/, { model_type: 'apertus' }],
  [/attention_bias is true; expected false/, { attention_bias: true }],
  [/mlp_bias is true/, { mlp_bias: true }],
  [/sliding_window is 4096; expected none/, { sliding_window: 4096 }],
  [/quantization_config is {"bits":4}; expected none/, { quantization_config: { bits: 4 } }],
  [/attention_dropout is 0.1; expected 0\n {2}remedy: set it to 0 in the file/, { attention_dropout: 0.1 }],
  [/hidden_act is "gelu_new"; expected silu, gelu, relu/, { hidden_act: 'gelu_new' }],
  [/hidden_act is "toString"/, { hidden_act: 'toString' }],
  [
    /rotary embedding is "linear"; expected 'default', without/,
    { rope_scaling: { type: 'linear', factor: 2 } },
  ],
  [/rotary embedding is "llama3"/, { rope_parameters: { rope_type: 'llama3', rope_theta: 5e5, factor: 8 } }],
  [/partial_rotary_factor is 0.5/, { rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } }],
])('refuses parts that there are none of here: %s', (problem, fields) => {
  const { code, message } = problemOf({ ...LLAMA, ...fields });
  expect(code).toBe('UNSUPPORTED');
  expect(message).toMatch(/^dir\/config.json: /);
  expect(message).toMatch(problem);
});

test.each<[problem: RegExp, json: unknown]>([
  [/it is not an object/, null],
  [/it has no hidden_size/, { ...LLAMA, hidden_size: undefined }],
  [/kvHeads is 5; expected a divisor of heads/, { ...LLAMA, num_key_value_heads: 5 }],
  [/layers is "32"; expected a whole number/, { ...LLAMA, num_hidden_layers: '32' }],
  [/activation is "swish"; expected one of/, { ...toHuggingFace(configOf('tiny')), activation: 'swish' }],
])('says what makes no model: %s', (problem, json) => {
  const { code, message } = problemOf(json);
  expect(code).toBe('INVALID_FILE');
  expect(message).toMatch(/^dir\/config.json: /);
  expect(message).toMatch(problem);
});

test.each(Object.keys(LLAMA))(
  'refuses a list in 100,000 others as %s with a typed error, or passes it by',
  (key) => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; ++i) deep = [deep];
    try {
      fromHuggingFace({ ...LLAMA, [key]: deep }, 'dir/config.json');
    } catch (error) {
      expect(error).toBeInstanceOf(PolycomError);
    }
  },
);
