"""The transformer of src/model in PyTorch, as its users would write it: the benchmark's peer, and with float64 the
reference of the tests. Its parameters have src/model's names, order and shapes.

A block is h = x + o_proj(attention(rms(x))), y = h + ffn(rms(h)), as in LLaMA; a mixture's FFN and QK-norm are OLMoE's.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model_config import Config, ConfigError, Experts


class Cache:
    """The keys and values of the tokens that a model has seen."""

    def __init__(self, config: Config, batch: int, dtype: torch.dtype = torch.float32) -> None:
        shape = (batch, config.kv_heads, config.context, config.head_width)
        self.length = 0
        self._stored = [torch.empty(2, *shape, dtype=dtype).unbind() for _ in range(config.layers)]

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Stores a layer's [B, K, T, D] behind those it has, and gives them all."""
        end = self.length + k.shape[2]
        for stored, new in zip(self._stored[layer], (k, v)):
            stored[:, :, self.length : end] = new
        keys, values = self._stored[layer]
        return keys[:, :, :end], values[:, :, :end]


class Coefficients(nn.Module):
    """What an activation learns, by its names."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.first = {of["name"]: float(1 / config.order if of["first"] == "1 / order" else of["first"]) for of in config.row.parameters}
        for of in config.row.parameters:
            shape = [config.order if size == "order" else size for size in of["shape"]]
            self.register_parameter(of["name"], nn.Parameter(torch.full(shape, self.first[of["name"]])))

    def all(self) -> list[Tensor]:
        """In the order of the activation's inputs."""
        return [getattr(self, name) for name in self.first]


def linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)


class Attention(nn.Module):
    """Causal, with grouped queries: query head h reads head h // (heads / kv_heads) of keys and values."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.layer, self.head_width = layer, config.head_width
        queries, keys = config.heads * config.head_width, config.kv_heads * config.head_width
        self.q_proj = linear(config.width, queries)
        self.k_proj = linear(config.width, keys)
        self.v_proj = linear(config.width, keys)
        self.q_norm = nn.RMSNorm(queries, config.norm_epsilon) if config.qk_norm else nn.Identity()
        self.k_norm = nn.RMSNorm(keys, config.norm_epsilon) if config.qk_norm else nn.Identity()
        self.o_proj = linear(queries, config.width)

    def forward(self, x: Tensor, rotation: Tensor, cache: Optional[Cache]) -> Tensor:
        q = rotary(self._heads(self.q_norm(self.q_proj(x))), rotation)
        k = rotary(self._heads(self.k_norm(self.k_proj(x))), rotation)
        v = self._heads(self.v_proj(x))
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)
        return self.o_proj(attend(q, k, v).transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """[B, T, H D] as [B, H, T, D]."""
        return x.unflatten(-1, (-1, self.head_width)).transpose(1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The queries are of the last tokens of those that k and v are of."""
    new, all_tokens = q.shape[2], k.shape[2]
    if new == all_tokens or new == 1:
        return F.scaled_dot_product_attention(q, k, v, is_causal=new > 1, enable_gqa=True)
    seen = torch.ones(new, all_tokens, dtype=torch.bool).tril(all_tokens - new)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)


def rotation_table(config: Config) -> Tensor:
    """[context, 2, D / 2]: cos and sin of position · base^(-2 i / D), rounded once."""
    exponents = torch.arange(0, config.head_width, 2, dtype=torch.float64) / config.head_width
    angles = torch.arange(config.context, dtype=torch.float64)[:, None] * config.rope_base**-exponents
    return torch.stack([angles.cos(), angles.sin()], 1)


def rotary(x: Tensor, rotation: Tensor) -> Tensor:
    """Turns the pairs (i, i + D / 2) of [B, H, T, D], the form of Hugging Face's LLaMA."""
    cos, sin = rotation.unbind(1)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class FeedForward(nn.Module):
    """The dense one, or one expert of a mixture."""

    def __init__(self, config: Config, own_coefficients: bool) -> None:
        super().__init__()
        self.formula = partial(config.row.formula, **config.scalars) if config.scalars else config.row.formula
        self.gate_proj = linear(config.width, config.hidden) if config.gated else None
        self.up_proj = linear(config.width, config.hidden)
        self.down_proj = linear(config.hidden, config.width)
        self.activation = Coefficients(config) if own_coefficients and config.has_coefficients else None

    def forward(self, x: Tensor, shared: Optional[Coefficients] = None) -> Tensor:
        coefficients = self.activation or shared
        inputs = [self.up_proj(x)] if self.gate_proj is None else [self.gate_proj(x), self.up_proj(x)]
        if coefficients is not None:
            inputs += coefficients.all()
        return self.down_proj(self.formula(*inputs))


class Mixture(nn.Module):
    """A token's sum of its `active` most probable experts, weighted by their probabilities; none is dropped."""

    def __init__(self, config: Config, experts: Experts) -> None:
        super().__init__()
        own = experts.coefficients == "expert"
        self.settings = experts
        self.gate = linear(config.width, experts.count)
        self.experts = nn.ModuleList(FeedForward(config, own) for _ in range(experts.count))
        self.activation = None if own or not config.has_coefficients else Coefficients(config)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The output, the load-balance loss and the z loss."""
        tokens = x.flatten(0, -2)
        router = self.gate(tokens)
        probabilities = router.softmax(-1)
        weights, chosen = self._choose(probabilities)
        y = torch.zeros_like(tokens)
        for number, expert in enumerate(self.experts):
            rows, ranks = (chosen == number).nonzero(as_tuple=True)
            y = y.index_add(0, rows, expert(tokens[rows], self.activation) * weights[rows, ranks, None])
        return y.view_as(x), self._balance(probabilities, chosen), router.logsumexp(-1).square().mean()

    def _choose(self, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        # topk leaves open which of equals it takes; a stable sort takes the one of lower index.
        ordered, indices = probabilities.sort(dim=-1, descending=True, stable=True)
        weights, chosen = ordered[:, : self.settings.active], indices[:, : self.settings.active]
        return (weights / weights.sum(-1, keepdim=True) if self.settings.normalised else weights), chosen

    @staticmethod
    def _balance(probabilities: Tensor, chosen: Tensor) -> Tensor:
        """E Σ_e f_e P_e, of the share of assignments to e and its mean probability."""
        count = probabilities.shape[-1]
        share = chosen.flatten().bincount(minlength=count).to(probabilities.dtype) / chosen.numel()
        return count * (share * probabilities.mean(0)).sum()


class Block(nn.Module):
    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.input_layernorm = nn.RMSNorm(config.width, config.norm_epsilon)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = nn.RMSNorm(config.width, config.norm_epsilon)
        self.mlp = FeedForward(config, True) if config.experts is None else Mixture(config, config.experts)

    def forward(self, x: Tensor, rotation: Tensor, cache: Optional[Cache]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The output, and a mixture's losses."""
        h = x + self._drop(self.self_attn(self.input_layernorm(x), rotation, cache))
        y = self.mlp(self.post_attention_layernorm(h))
        y, *router_losses = (y,) if isinstance(y, Tensor) else y
        return h + self._drop(y), tuple(router_losses)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout > 0 else x


class Decoder(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = nn.RMSNorm(config.width, config.norm_epsilon)

    def forward(self, tokens: Tensor, rotation: Tensor, cache: Optional[Cache]) -> tuple[Tensor, list[Tensor]]:
        """The normalised stream, and a mixture's two losses, the means over layers."""
        x = self.embed_tokens(tokens)
        if self.dropout > 0:
            x = F.dropout(x, self.dropout, self.training)
        losses = []
        for layer in self.layers:
            x, router_losses = layer(x, rotation, cache)
            losses.append(router_losses)
        return self.norm(x), [torch.stack(of_layers).mean() for of_layers in zip(*losses)]


class Transformer(nn.Module):
    """With parameters drawn from the distribution of src/model, by the seed; `load` takes others'."""

    rotation: Tensor

    def __init__(self, config: Config, seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config = config
        with torch.device("meta"):  # not drawn twice
            self.model = Decoder(config)
            self.lm_head = None if config.tied else linear(config.width, config.vocabulary)
        self.to_empty(device="cpu").to(dtype)
        self.register_buffer("rotation", rotation_table(config).to(dtype), persistent=False)
        initialise(self, seed)

    def forward(self, tokens: Tensor, cache: Optional[Cache] = None) -> tuple[Tensor, list[Tensor]]:
        """[B, T] to logits [B, T, V], and of a mixture the load-balance and the z loss."""
        start = 0 if cache is None else cache.length
        x, router_losses = self.model(tokens, self.rotation[start : start + tokens.shape[1]], cache)
        if cache is not None:
            cache.length += tokens.shape[1]
        head = self.model.embed_tokens if self.lm_head is None else self.lm_head
        return F.linear(x, head.weight), router_losses

    def losses(self, tokens: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """`loss`, which is trained on, and its parts."""
        logits, router_losses = self(tokens)
        cross_entropy = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        if self.config.experts is None:
            return {"loss": cross_entropy, "crossEntropy": cross_entropy}
        balance, z = router_losses
        loss = cross_entropy + self.config.experts.balance_weight * balance + self.config.experts.z_weight * z
        return {"loss": loss, "crossEntropy": cross_entropy, "balance": balance, "z": z}

    @torch.no_grad()
    def load(self, parameters: dict[str, Tensor]) -> "Transformer":
        """Takes the values of all parameters, by name.

        Raises ConfigError for another set of names, or another shape."""
        wanted = dict(self.named_parameters())
        for name in [*wanted, *parameters]:
            shapes = [tuple(of[name].shape) if name in of else "none" for of in (parameters, wanted)]
            if shapes[0] != shapes[1]:
                raise ConfigError(f"parameter {name} is {shapes[0]}; expected {shapes[1]}")
        self.load_state_dict(parameters)
        return self


@torch.no_grad()
def initialise(model: Transformer, seed: int) -> None:
    """Matrices normal, those that write to the residual stream smaller by √(2 layers); norms 1; an activation's parameters
    what its row says."""
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            residual = name.endswith(("o_proj.weight", "down_proj.weight"))
            deviation = config.deviation / math.sqrt(2 * config.layers) if residual else config.deviation
            parameter.normal_(0, deviation, generator=generator)
        elif "activation" in name:
            owner, own = name.rsplit(".", 1)
            parameter.fill_(model.get_submodule(owner).first[own])
        else:
            parameter.fill_(1)
