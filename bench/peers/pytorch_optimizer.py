"""How a model is trained: AdamW on groups with and without weight decay, a cosine schedule, clipped gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import torch
from torch import nn

from model_config import known_fields


@dataclass(frozen=True)
class Recipe:
    steps: int
    learning_rate: float
    """The highest."""
    floor: float
    """The last learning rate."""
    warmup: int
    """Steps of it."""
    betas: tuple[float, float] = (0.9, 0.95)
    epsilon: float = 1e-8
    decay: float = 0.1
    decay_embeddings: bool = False
    clip: float = 1.0
    """The largest norm of all gradients together; 0: none."""


def recipe_of(given: Mapping[str, Any]) -> Recipe:
    """From JSON, with names such as `learningRate`."""
    values = known_fields(Recipe, given)
    return Recipe(**{**values, "betas": tuple(values.get("betas", Recipe.betas))})


def learning_rate(recipe: Recipe, step: int) -> float:
    """Of a step, the first being 1: up to `warmup`, peak · step / warmup; from there on
    floor + (peak - floor) · (1 + cos(π · (step - warmup) / (steps - warmup))) / 2, which ends in `floor`."""
    if step <= recipe.warmup:
        return recipe.learning_rate * step / recipe.warmup
    progress = (step - recipe.warmup) / (recipe.steps - recipe.warmup)
    return recipe.floor + (recipe.learning_rate - recipe.floor) * (1 + math.cos(math.pi * progress)) / 2


def decayed(name: str, parameter: nn.Parameter, recipe: Recipe) -> bool:
    """Matrices are, but for the embedding unless it is told to be; norms and coefficients of activations are not."""
    return parameter.ndim == 2 and (recipe.decay_embeddings or name != "model.embed_tokens.weight")


class Optimizer:
    """torch.optim.AdamW: p ← p - lr · decay · p; m ← β1 m + (1 - β1) g; v ← β2 v + (1 - β2) g²;
    p ← p - lr · (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + ε), after g ← g · min(1, clip / (‖all g‖ + 1e-6))."""

    def __init__(self, model: nn.Module, recipe: Recipe, fused: bool) -> None:
        self.recipe = recipe
        self.parameters = list(model.parameters())
        self.steps = 0
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            decay = recipe.decay if decayed(name, parameter, recipe) else 0.0
            groups.setdefault(decay, []).append(parameter)
        self._adamw = torch.optim.AdamW(
            [{"params": members, "weight_decay": decay} for decay, members in groups.items()],
            lr=recipe.learning_rate,
            betas=recipe.betas,
            eps=recipe.epsilon,
            fused=fused,
        )

    def step(self, gradients: Sequence[torch.Tensor]) -> tuple[float, torch.Tensor]:
        """Updates the parameters; clips gradients in place. Gives the learning rate and the norm before clipping."""
        self.steps += 1
        rate = learning_rate(self.recipe, self.steps)
        for group in self._adamw.param_groups:
            group["lr"] = rate
        for parameter, gradient in zip(self.parameters, gradients):
            parameter.grad = gradient
        limit = self.recipe.clip if self.recipe.clip > 0 else math.inf
        norm = nn.utils.clip_grad_norm_(self.parameters, limit)
        self._adamw.step()
        self._adamw.zero_grad(set_to_none=True)
        return rate, norm
