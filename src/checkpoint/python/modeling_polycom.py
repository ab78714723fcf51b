"""A polycom transformer for PyTorch's transformers: a LLaMA-like decoder with the activations of polycom (PolyCom,
arXiv 2411.03884), dense or a mixture of experts (OLMoE), with OLMo's QK-norm where asked for.

A block is h = x + o_proj(attention(rms(x))), y = h + ffn(rms(h)). Parameters have the names of LLaMA and OLMoE.
"""

import math
from dataclasses import fields

import torch
from torch import nn
from torch.nn import functional as F
from transformers import DynamicCache, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .configuration_polycom import PolycomConfig

EPSILON = 1e-6  # of PolyNorm, inside the root

# What transformers calls the keys and values of earlier tokens: the name has changed.
CACHE = next(field.name for field in fields(CausalLMOutputWithPast) if field.name in ("cache", "past_key_values"))


def widened(x):
    """Statistics and powers take float32 at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def polynorm(x, weight, bias):
    """b + sum over p of a_p x^p / sqrt(mean(x^2p) + EPSILON); weight has the highest power first."""
    wide = widened(x)
    y = bias
    for i, a in enumerate(weight):
        power = wide ** (len(weight) - i)
        y = y + a * (power * torch.rsqrt(power.square().mean(-1, keepdim=True) + EPSILON))
    return y.to(x.dtype)


def polyrelu(x, weight, bias):
    """b + sum over p of a_p max(x, 0)^p."""
    positive = torch.relu(widened(x))
    y = bias
    for i, a in enumerate(weight):
        y = y + a * positive ** (len(weight) - i)
    return y.to(x.dtype)


def relu2(x):
    return torch.relu(x).square()


# A gated form multiplies the inner activation of the gate by the other projection.
INNER = {
    "polynorm": polynorm,
    "polyrelu": polyrelu,
    "relu": torch.relu,
    "relu2": relu2,
    "gelu": F.gelu,
    "silu": F.silu,
    "polynormglu": polynorm,
    "polyreluglu": polyrelu,
    "reglu": torch.relu,
    "geglu": F.gelu,
    "swiglu": F.silu,
}


def has_coefficients(config):
    return INNER[config.activation] in (polynorm, polyrelu)


class PolycomRMSNorm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x):
        wide = widened(x)
        return self.weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)).to(x.dtype)


class PolycomCoefficients(nn.Module):
    """Of a polynomial activation, the highest power first."""

    def __init__(self, order):
        super().__init__()
        self.weight = nn.Parameter(torch.full((order,), 1 / order))
        self.bias = nn.Parameter(torch.zeros(()))


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


class PolycomAttention(nn.Module):
    """Causal, with grouped queries: query head h reads head h // (heads / kv_heads) of keys and values."""

    def __init__(self, config, layer):
        super().__init__()
        self.layer, self.head_dim = layer, config.head_dim
        self.groups = config.num_attention_heads // config.num_key_value_heads
        queries = config.num_attention_heads * config.head_dim
        keys = config.num_key_value_heads * config.head_dim
        self.q_proj = linear(config.hidden_size, queries)
        self.k_proj = linear(config.hidden_size, keys)
        self.v_proj = linear(config.hidden_size, keys)
        self.q_norm = PolycomRMSNorm(queries, config.rms_norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = PolycomRMSNorm(keys, config.rms_norm_eps) if config.qk_norm else nn.Identity()
        self.o_proj = linear(queries, config.hidden_size)

    def forward(self, x, cos, sin, padding, cache):
        q = rotary(self.heads(self.q_norm(self.q_proj(x))), cos, sin)
        k = rotary(self.heads(self.k_norm(self.k_proj(x))), cos, sin)
        v = self.heads(self.v_proj(x))
        past = 0
        if cache is not None:
            past = cache.get_seq_length(self.layer)
            k, v = cache.update(k, v, self.layer)
        seen = visible(q.shape[2], k.shape[2], past, padding, x.device)
        k, v = (each.repeat_interleave(self.groups, 1) for each in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.o_proj(y.transpose(1, 2).flatten(2))

    def heads(self, x):
        """[B, T, H D] as [B, H, T, D]."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


def visible(new, all_tokens, past, padding, device):
    """Which keys each of the new queries sees, [B or 1, 1, new, all_tokens]; padding is 0 at keys that none may see."""
    keys = torch.arange(all_tokens, device=device)
    queries = (torch.arange(new, device=device) + past)[:, None]
    seen = (keys <= queries)[None, None]
    if padding is None:
        return seen
    padding = F.pad(padding[:, :all_tokens].bool(), (0, max(0, all_tokens - padding.shape[1])))
    # Padding sees itself: a softmax over nothing is not a number.
    return seen & (padding[:, None, None] | (keys == queries))


class PolycomMLP(nn.Module):
    """The dense feed-forward network, or one expert of a mixture."""

    def __init__(self, config, own_coefficients):
        super().__init__()
        self.inner = INNER[config.activation]
        self.gate_proj = linear(config.hidden_size, config.intermediate_size) if config.gated else None
        self.up_proj = linear(config.hidden_size, config.intermediate_size)
        self.down_proj = linear(config.intermediate_size, config.hidden_size)
        own = own_coefficients and has_coefficients(config)
        self.activation = PolycomCoefficients(config.activation_order) if own else None

    def forward(self, x, shared=None):
        coefficients = self.activation or shared
        rest = () if coefficients is None else (coefficients.weight, coefficients.bias)
        up = self.up_proj(x)
        y = self.inner(up, *rest) if self.gate_proj is None else self.inner(self.gate_proj(x), *rest) * up
        return self.down_proj(y)


class PolycomMixture(nn.Module):
    """A token's sum of its most probable experts, weighted by their probabilities; none is dropped."""

    def __init__(self, config):
        super().__init__()
        own = config.expert_coefficients == "expert"
        self.active, self.normalised = config.num_experts_per_tok, config.norm_topk_prob
        self.gate = linear(config.hidden_size, config.num_experts)
        self.experts = nn.ModuleList(PolycomMLP(config, own) for _ in range(config.num_experts))
        shared = has_coefficients(config) and not own
        self.activation = PolycomCoefficients(config.activation_order) if shared else None

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


class PolycomDecoderLayer(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.dropout = config.dropout
        self.input_layernorm = PolycomRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = PolycomAttention(config, layer)
        self.post_attention_layernorm = PolycomRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = PolycomMLP(config, True) if config.num_experts is None else PolycomMixture(config)

    def forward(self, x, cos, sin, padding, cache):
        """The output, and a mixture's losses."""
        branch = self.self_attn(self.input_layernorm(x), cos, sin, padding, cache)
        x = x + F.dropout(branch, self.dropout, self.training)
        branch = self.mlp(self.post_attention_layernorm(x))
        branch, *losses = branch if isinstance(branch, tuple) else (branch,)
        return x + F.dropout(branch, self.dropout, self.training), losses


class PolycomPreTrainedModel(PreTrainedModel):
    config_class = PolycomConfig
    base_model_prefix = "model"
    _no_split_modules = ["PolycomDecoderLayer"]

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
            nn.init.constant_(module.weight, 1 / self.config.activation_order)
            nn.init.zeros_(module.bias)
        # A module comes after those that it holds.
        if isinstance(module, PolycomAttention):
            nn.init.normal_(module.o_proj.weight, 0, residual)
        elif isinstance(module, PolycomMLP):
            nn.init.normal_(module.down_proj.weight, 0, residual)


class PolycomModel(PolycomPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        layers = (PolycomDecoderLayer(config, layer) for layer in range(config.num_hidden_layers))
        self.layers = nn.ModuleList(layers)
        self.norm = PolycomRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_init()

    def forward(self, x, positions, padding, cache):
        """Embeddings [B, T, C] to the normalised stream, and a mixture's two losses, the means over layers."""
        cos, sin = rotation(self.config, positions)
        x = F.dropout(x, self.config.dropout, self.training)
        losses = []
        for layer in self.layers:
            x, of_layer = layer(x, cos, sin, padding, cache)
            losses.append(of_layer)
        return self.norm(x), [torch.stack(each).mean() for each in zip(*losses)]


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
        cache=None,
        **kwargs,
    ):
        """Logits, and with labels the loss that is trained on: label t is of token t, as transformers has it, and -100
        counts for nothing."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        if inputs_embeds is None:
            inputs_embeds = self.model.embed_tokens(input_ids)
        cache = past_key_values if cache is None else cache
        use_cache = self.config.use_cache and not self.training if use_cache is None else use_cache
        if cache is None and use_cache:
            cache = DynamicCache()
        if position_ids is None:
            past = 0 if cache is None else cache.get_seq_length()
            position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)[None] + past
        x, router_losses = self.model(inputs_embeds, position_ids, attention_mask, cache)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(x[:, kept])
        loss = None if labels is None else self.training_loss(logits, labels, router_losses)
        return CausalLMOutputWithPast(loss=loss, logits=logits, **{CACHE: cache})

    def training_loss(self, logits, labels, router_losses):
        """The mean cross-entropy, and of a mixture its two losses by their weights."""
        targets = F.pad(labels[:, 1:], (0, 1), value=-100).to(logits.device)
        loss = F.cross_entropy(widened(logits).flatten(0, 1), targets.flatten())
        weights = (self.config.router_aux_loss_coef, self.config.router_z_loss_coef)
        return loss + sum(weight * each for weight, each in zip(weights, router_losses))
