"""The activations as a user of PyTorch would write them. PolyNorm is the official code's (arXiv 2411.03884)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-6


def normalised(u: Tensor) -> Tensor:
    return u * torch.rsqrt(u.pow(2).mean(-1, keepdim=True) + EPSILON)


def powers(x: Tensor, order: int) -> list[Tensor]:
    """The highest first, as the weights are."""
    return [*(x**p for p in range(order, 1, -1)), x]


def polynorm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return sum(weight[i] * normalised(power) for i, power in enumerate(powers(x, len(weight)))) + bias


def polyrelu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return sum(weight[i] * power for i, power in enumerate(powers(torch.relu(x), len(weight)))) + bias


def relu(x: Tensor) -> Tensor:
    return torch.relu(x)


def relu2(x: Tensor) -> Tensor:
    return torch.relu(x).square()


def gelu(x: Tensor) -> Tensor:
    return F.gelu(x)


def gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def silu(x: Tensor) -> Tensor:
    return F.silu(x)


# A function each, not one that makes them: torch.compile keeps what it compiled by code object, and only so many.


def polynormglu(gate: Tensor, up: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return polynorm(gate, weight, bias) * up


def polyreluglu(gate: Tensor, up: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return polyrelu(gate, weight, bias) * up


def reglu(gate: Tensor, up: Tensor) -> Tensor:
    return torch.relu(gate) * up


def geglu(gate: Tensor, up: Tensor) -> Tensor:
    return F.gelu(gate) * up


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    return F.silu(gate) * up


@dataclass(frozen=True)
class Activation:
    """A formula, and the op of ours that it stands beside."""

    formula: Callable[..., Tensor]
    label: str
    native: str
    """The C functions are pc_<native>_forward and pc_<native>_backward."""
    inputs: tuple[str, ...]
    scalars: Mapping[str, float] = field(default_factory=dict)
    """Of the C functions, in their order."""

    @property
    def name(self) -> str:
        """What rows and the command line call it."""
        return self.formula.__name__


X = ("x",)
GATED = ("gate", "up")
COEFFICIENTS = ("weight", "bias")
RMS = {"epsilon": EPSILON, "norm": 0}
EXACT = {"approximate": 0}
TANH = {"approximate": 1}

ACTIVATIONS: tuple[Activation, ...] = (
    Activation(polynorm, "PolyNorm", "polynorm", X + COEFFICIENTS, RMS),
    Activation(polyrelu, "PolyReLU", "polyrelu", X + COEFFICIENTS),
    Activation(relu, "ReLU", "relu", X),
    Activation(relu2, "ReLU²", "relu2", X),
    Activation(gelu, "GELU (erf)", "gelu", X, EXACT),
    Activation(gelu_tanh, "GELU (tanh)", "gelu", X, TANH),
    Activation(silu, "SiLU", "silu", X),
    Activation(polynormglu, "PolyNorm × up", "polynormglu", GATED + COEFFICIENTS, RMS),
    Activation(polyreluglu, "PolyReLU × up", "polyreluglu", GATED + COEFFICIENTS),
    Activation(reglu, "ReGLU", "reglu", GATED),
    Activation(geglu, "GEGLU", "geglu", GATED, EXACT),
    Activation(swiglu, "SwiGLU", "swiglu", GATED),
)
