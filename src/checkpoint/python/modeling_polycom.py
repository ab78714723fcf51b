"""A polycom transformer for PyTorch's transformers, in one file, as it copies the code of a model: a LLaMA-like decoder with the activations of polycom (PolyCom,
arXiv 2411.03884), dense or a mixture of experts (OLMoE), with OLMo's QK-norm where asked for.

A block is h = x + o_proj(attention(rms(x))), y = h + ffn(rms(h)). Parameters have the names of LLaMA and OLMoE.
"""

import inspect
import math
from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.nn import functional as F
from transformers import DynamicCache, GenerationMixin, PreTrainedModel
from transformers.masking_utils import create_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils import can_return_tuple, logging

from .activations_polycom import ACTIVATIONS
from .configuration_polycom import PolycomConfig

logger = logging.get_logger(__name__)

# The names in transformers of the keys and values of earlier tokens, and of what a mask is made for: they have changed.
CACHE = next(field.name for field in fields(CausalLMOutputWithPast) if field.name in ("cache", "past_key_values"))
MASK_ARGUMENTS = inspect.signature(create_causal_mask).parameters


def widened(x):
    """Statistics and powers take float32 at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class PolycomActivation:
    """The activation of a configuration."""

    def __init__(self, config):
        self.row = ACTIVATIONS[config.activation]
        self.options = config.activation_options
        self.order = config.activation_order

    def __call__(self, matrices, parameters):
        """Of the matrices, and of the parameters in the row's order; by float32 at least, rounded once."""
        y = self.row.formula(*map(widened, (*matrices, *parameters)), **self.options)
        return y.to(matrices[0].dtype)

    def parameters(self):
        """The shape and the first value of each parameter, by name."""
        return {name: (self.shape(shape), self.first(first)) for name, (shape, first) in self.row.parameters.items()}

    def shape(self, sizes):
        return [self.order if size == "order" else size for size in sizes]

    def first(self, value):
        return 1 / self.order if value == "1 / order" else value


class PolycomRMSNorm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x):
        wide = widened(x)
        return self.weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)).to(x.dtype)


class PolycomCoefficients(nn.Module):
    """The parameters of an activation, by their names."""

    def __init__(self, activation):
        super().__init__()
        self.first = {name: value for name, (_, value) in activation.parameters().items()}
        for name, (shape, value) in activation.parameters().items():
            self.register_parameter(name, nn.Parameter(torch.full(shape, float(value))))

    def forward(self):
        """In the order of the activation's inputs."""
        return [getattr(self, name) for name in self.first]


def coefficients_of(config, wanted):
    """What an activation learns, where it is wanted and there is something."""
    activation = PolycomActivation(config)
    return PolycomCoefficients(activation) if wanted and activation.parameters() else None


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


def rotation(config, positions):
    """cos and sin of position * base^(-2 i / head_dim), [B, 1, T, head_dim / 2]."""
    # In double where there is one: an angle of thousands of radians has few digits left in single.
    dtype = torch.float32 if positions.device.type == "mps" else torch.float64
    exponents = torch.arange(0, config.head_dim, 2, dtype=dtype, device=positions.device) / config.head_dim
    angles = positions[:, None, :, None].to(dtype) * config.rope_theta**-exponents
    return angles.cos(), angles.sin()


def rotary(x, cos, sin):
    """Turns the pairs (i, i + D / 2) of [B, H, T, D]."""
    a, b = x.chunk(2, -1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def causal_mask(config, x, positions, padding, cache):
    """What the attention implementation of the configuration takes for a mask; padding is 0 at keys that none may see."""
    past = 0 if cache is None else cache.get_seq_length()
    given = {
        "inputs_embeds": x,
        "input_embeds": x,
        "cache": cache,
        "past_key_values": cache,
        "cache_position": torch.arange(x.shape[1], device=x.device) + past,
    }
    named = {name: value for name, value in given.items() if name in MASK_ARGUMENTS}
    return create_causal_mask(config=config, attention_mask=padding, position_ids=positions, **named)


def eager_attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    """Plain attention, and its weights, [B, H, new, all]; attention_mask is added to the logits."""
    key, value = (each.repeat_interleave(module.num_key_value_groups, 1) for each in (key, value))
    logits = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        logits = logits + attention_mask[..., : key.shape[2]]
    weights = F.dropout(widened(logits).softmax(-1).to(query.dtype), dropout, module.training)
    return (weights @ value).transpose(1, 2), weights


class PolycomAttention(nn.Module):
    """Causal, with grouped queries: query head h reads head h // (heads / kv_heads) of keys and values."""

    is_causal = True

    def __init__(self, config, layer):
        super().__init__()
        # The attention implementations of transformers read these by their names.
        self.config, self.layer_idx, self.head_dim = config, layer, config.head_dim
        self.num_key_value_groups = config.num_attention_heads // config.num_key_value_heads
        self.scaling = config.head_dim**-0.5
        queries = config.num_attention_heads * config.head_dim
        keys = config.num_key_value_heads * config.head_dim
        self.q_proj = linear(config.hidden_size, queries)
        self.k_proj = linear(config.hidden_size, keys)
        self.v_proj = linear(config.hidden_size, keys)
        self.q_norm = PolycomRMSNorm(queries, config.rms_norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = PolycomRMSNorm(keys, config.rms_norm_eps) if config.qk_norm else nn.Identity()
        self.o_proj = linear(queries, config.hidden_size)

    def forward(self, x, cos, sin, mask, cache, **kwargs):
        """The output, and the weights where the implementation gives them."""
        q = rotary(self.heads(self.q_norm(self.q_proj(x))), cos, sin)
        k = rotary(self.heads(self.k_norm(self.k_proj(x))), cos, sin)
        v = self.heads(self.v_proj(x))
        if cache is not None:
            k, v = cache.update(k, v, self.layer_idx)
        implementation = self.config._attn_implementation
        attend = eager_attention if implementation == "eager" else ALL_ATTENTION_FUNCTIONS[implementation]
        y, weights = attend(self, q, k, v, mask, dropout=0.0, scaling=self.scaling, **kwargs)
        return self.o_proj(y.reshape(*x.shape[:-1], -1)), weights

    def heads(self, x):
        """[B, T, H D] as [B, H, T, D]."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class PolycomMLP(nn.Module):
    """The dense feed-forward network, or one expert of a mixture."""

    def __init__(self, config, own_coefficients):
        super().__init__()
        self.inner = PolycomActivation(config)
        self.gate_proj = linear(config.hidden_size, config.intermediate_size) if config.gated else None
        self.up_proj = linear(config.hidden_size, config.intermediate_size)
        self.down_proj = linear(config.intermediate_size, config.hidden_size)
        self.activation = coefficients_of(config, own_coefficients)

    def forward(self, x, shared=None):
        coefficients = self.activation or shared
        gate = [] if self.gate_proj is None else [self.gate_proj(x)]
        y = self.inner([*gate, self.up_proj(x)], [] if coefficients is None else coefficients())
        return self.down_proj(y)


class PolycomMixture(nn.Module):
    """A token's sum of its most probable experts, weighted by their probabilities; none is dropped."""

    def __init__(self, config):
        super().__init__()
        own = config.expert_coefficients == "expert"
        self.active, self.normalised = config.num_experts_per_tok, config.norm_topk_prob
        self.gate = linear(config.hidden_size, config.num_experts)
        self.experts = nn.ModuleList(PolycomMLP(config, own) for _ in range(config.num_experts))
        self.activation = coefficients_of(config, not own)

    def forward(self, x):
        """The output, the load-balance loss and the z loss."""
        tokens = x.flatten(0, -2)
        router = widened(self.gate(tokens))
        probabilities = router.softmax(-1)
        # topk leaves open which of equals it takes; a stable sort takes the one of lower index.
        weights, chosen = (each[:, : self.active] for each in probabilities.sort(dim=-1, descending=True, stable=True))
        if self.normalised:
            weights = weights / weights.sum(-1, keepdim=True)
        y = torch.zeros_like(tokens)
        for number, expert in enumerate(self.experts):
            rows, ranks = (chosen == number).nonzero(as_tuple=True)
            share = weights[rows, ranks, None].to(x.dtype)
            y = y.index_add(0, rows, expert(tokens[rows], self.activation) * share)
        count = len(self.experts)
        assigned = chosen.flatten().bincount(minlength=count).to(router.dtype) / chosen.numel()
        balance = count * (assigned * probabilities.mean(0)).sum()
        return y.view_as(x), balance, router.logsumexp(-1).square().mean()


class PolycomDecoderLayer(GradientCheckpointingLayer):
    def __init__(self, config, layer):
        super().__init__()
        self.dropout = config.dropout
        self.input_layernorm = PolycomRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = PolycomAttention(config, layer)
        self.post_attention_layernorm = PolycomRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = PolycomMLP(config, True) if config.num_experts is None else PolycomMixture(config)

    def forward(self, x, cos, sin, mask, cache, **kwargs):
        """The output, the attention's weights, and a mixture's two losses: one tuple, as recomputation wants it."""
        branch, weights = self.self_attn(self.input_layernorm(x), cos, sin, mask, cache, **kwargs)
        x = x + F.dropout(branch, self.dropout, self.training)
        branch = self.mlp(self.post_attention_layernorm(x))
        branch, *losses = branch if isinstance(branch, tuple) else (branch,)
        return x + F.dropout(branch, self.dropout, self.training), weights, *losses


@dataclass
class PolycomModelOutput(BaseModelOutputWithPast):
    """Beside what other models give: a mixture's load-balance loss and z loss, the means over layers."""

    router_losses: tuple[torch.Tensor, ...] | None = None


class PolycomPreTrainedModel(PreTrainedModel):
    config_class = PolycomConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["PolycomDecoderLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    @torch.no_grad()
    def _init_weights(self, module):
        """Matrices normal, those that write to the residual stream smaller by sqrt(2 layers)."""
        deviation = self.config.initializer_range
        residual = deviation / math.sqrt(2 * self.config.num_hidden_layers)
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, 0, deviation)
        elif isinstance(module, PolycomRMSNorm):
            nn.init.ones_(module.weight)
        elif isinstance(module, PolycomCoefficients):
            for name, value in module.first.items():
                nn.init.constant_(getattr(module, name), value)
        # A module comes after those that it holds.
        if isinstance(module, PolycomAttention):
            nn.init.normal_(module.o_proj.weight, 0, residual)
        elif isinstance(module, PolycomMLP):
            nn.init.normal_(module.down_proj.weight, 0, residual)


class PolycomModel(PolycomPreTrainedModel):
    gradient_checkpointing = False

    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        layers = (PolycomDecoderLayer(config, layer) for layer in range(config.num_hidden_layers))
        self.layers = nn.ModuleList(layers)
        self.norm = PolycomRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        use_cache=None,
        cache=None,
        output_hidden_states=None,
        output_attentions=None,
        **kwargs,
    ):
        """The normalised stream. Hidden states are those before each layer, and the normalised one after the last."""
        config = self.config
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        if output_hidden_states is None:
            output_hidden_states = getattr(config, "output_hidden_states", False)
        if output_attentions is None:
            output_attentions = getattr(config, "output_attentions", False)
        if output_attentions and config._attn_implementation != "eager":
            logger.warning_once("attention weights are given by attn_implementation='eager' alone: here are none")
        x = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        cache = past_key_values if cache is None else cache
        use_cache = config.use_cache and not self.training if use_cache is None else use_cache
        # A layer that is computed again would add to the cache again.
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            use_cache, cache = False, None
        if cache is None and use_cache:
            cache = DynamicCache(config=config)
        if position_ids is None:
            past = 0 if cache is None else cache.get_seq_length()
            position_ids = torch.arange(x.shape[1], device=x.device)[None] + past
        mask = causal_mask(config, x, position_ids, attention_mask, cache)
        cos, sin = rotation(config, position_ids)
        x = F.dropout(x, config.dropout, self.training)
        before, weights, losses = [], [], []
        for layer in self.layers:
            before.append(x)
            x, of_layer, *losses_of_layer = layer(x, cos, sin, mask, cache, position_ids=position_ids, **kwargs)
            weights.append(of_layer)
            losses.append(losses_of_layer)
        x = self.norm(x)
        return PolycomModelOutput(
            last_hidden_state=x,
            hidden_states=(*before, x) if output_hidden_states else None,
            attentions=tuple(weights) if output_attentions and None not in weights else None,
            router_losses=tuple(torch.stack(each).mean() for each in zip(*losses)),
            **{CACHE: cache},
        )

    def get_input_embeddings(self):
        return self.embed_tokens

    def set_input_embeddings(self, value):
        self.embed_tokens = value


class PolycomForCausalLM(PolycomPreTrainedModel, GenerationMixin):
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config):
        super().__init__(config)
        self.model = PolycomModel(config)
        self.lm_head = linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def get_input_embeddings(self):
        return self.model.embed_tokens

    def set_input_embeddings(self, value):
        self.model.embed_tokens = value

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, value):
        self.lm_head = value

    @can_return_tuple
    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        logits_to_keep=0,
        num_items_in_batch=None,
        **kwargs,
    ):
        """Logits, and with labels the loss that is trained on: label t is of token t, as transformers has it, and -100
        counts for nothing. num_items_in_batch is what transformers' Trainer divides by, the labels of all the batches
        of a step."""
        outputs = self.model(
            input_ids, attention_mask, position_ids, past_key_values, inputs_embeds, use_cache, **kwargs
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            loss = self.training_loss(logits, labels, outputs.router_losses or (), num_items_in_batch)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            **{CACHE: outputs[CACHE] if CACHE in outputs else None},
        )

    def training_loss(self, logits, labels, router_losses, num_items_in_batch=None):
        """The mean cross-entropy, and of a mixture its two losses by their weights; as a share of num_items_in_batch."""
        targets = F.pad(labels[:, 1:], (0, 1), value=-100).to(logits.device)
        count = (targets != -100).sum().clamp(min=1)
        loss = F.cross_entropy(widened(logits).flatten(0, 1), targets.flatten(), reduction="sum") / count
        weights = (self.config.router_aux_loss_coef, self.config.router_z_loss_coef)
        loss = loss + sum(weight * each for weight, each in zip(weights, router_losses))
        return loss if num_items_in_batch is None else loss * count / num_items_in_batch
