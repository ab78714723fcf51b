"""What the contenders of a shape are given, and what should come of it, as src/bench/data.ts and check.ts have it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Sequence

import torch
from torch import Tensor

from activations import Activation

TORCH_DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
FUSED_BOUND = 1e-6
"""How far a kernel's result may lie from f64, as a share of the norm of what is expected."""
PEER_BOUNDS = {"f32": 1e-4, "bf16": 2**-6, "f16": 2**-6}
"""The same for a composition, each of whose ops rounds to its dtype; that of f16 is finer, but runs out near zero."""
ROUNDING = 1.1
"""For 16-bit storage, beside those: how many times the error of rounding the right result."""
PERIOD_ROWS = 16
MOST_AT_ONCE = 1 << 24
"""Elements that are compared in one go, in f64."""
COEFFICIENTS = {"weight": (0.4, 0.3, 0.2), "bias": 0.1}


@dataclass(frozen=True)
class Shape:
    rows: int
    cols: int

    def __str__(self) -> str:
        return f"{self.rows}x{self.cols}"

    @property
    def period(self) -> int:
        """The rows after which matrices repeat, a divisor of `rows`: no contender can tell, and f64 is slow."""
        return next(period for period in range(PERIOD_ROWS, 0, -1) if self.rows % period == 0)


@dataclass(frozen=True)
class Expected:
    """An output, and how far off it may be."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    value: Tensor
    """One period of a matrix, or all of a coefficient's gradient, in f64."""
    scale: float
    """What the error is a share of: the value's norm; or, of a sum that cancels, that of its absolute terms."""


class Data:
    """The tensors of one shape and dtype, which its contenders share."""

    def __init__(self, shape: Shape, dtype: str, device: str = "cpu") -> None:
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self._inputs: dict[str, Tensor] = {}
        self._outputs: dict[tuple[int, str, tuple[int, ...]], Tensor] = {}

    def input(self, name: str) -> Tensor:
        """A matrix of normal values, or coefficients, the same for the same name."""
        if name not in self._inputs:
            self._inputs[name] = self._coefficients(name) if name in COEFFICIENTS else self._matrix(name)
        return self._inputs[name]

    def output(self, index: int, expected: Expected) -> Tensor:
        """Memory to write, which exists and has been touched; contenders share it, as only one runs at a time."""
        key = (index, expected.dtype, expected.shape)
        if key not in self._outputs:
            self._outputs[key] = torch.zeros(
                expected.shape, dtype=TORCH_DTYPES[expected.dtype], device=self.device
            )
        return self._outputs[key]

    def tile(self, name: str) -> Tensor:
        """One period of a matrix, or all of the coefficients, in f64."""
        tensor = self.input(name)
        return (tensor if name in COEFFICIENTS else tensor[: self.shape.period]).double()

    def _matrix(self, name: str) -> Tensor:
        generator = torch.Generator().manual_seed(sum(name.encode()))
        period = self.shape.period
        tile = torch.randn(period, self.shape.cols, generator=generator)
        return tile.to(TORCH_DTYPES[self.dtype]).to(self.device).repeat(self.shape.rows // period, 1)

    def _coefficients(self, name: str) -> Tensor:
        return torch.tensor(COEFFICIENTS[name], dtype=torch.float32, device=self.device)


class Case:
    """An activation at a shape."""

    def __init__(self, activation: Activation, data: Data) -> None:
        self.activation = activation
        self.data = data

    @property
    def inputs(self) -> list[Tensor]:
        return [self.data.input(name) for name in self.activation.inputs]

    @property
    def dy(self) -> Tensor:
        return self.data.input("dy")

    def bytes(self, direction: str) -> int:
        """That a pass cannot avoid moving: each of its inputs and outputs once."""
        inputs = sum(tensor.nbytes for tensor in self.inputs)
        y = self.dy.nbytes
        return {"forward": inputs + y, "backward": 2 * inputs + y, "forward_backward": 3 * inputs + 2 * y}[direction]

    @cached_property
    def y(self) -> Expected:
        """What forward gives."""
        with torch.no_grad():
            value = self.activation.formula(*self._tiles())
        return self._matrix("y", value)

    @cached_property
    def gradients(self) -> tuple[Expected, ...]:
        """What backward gives: the gradient of every input."""
        tiles = [tile.requires_grad_() for tile in self._tiles()]
        y = self.activation.formula(*tiles)
        gradients = torch.autograd.grad(y, tiles, self.data.tile("dy"))
        return tuple(map(self._gradient, self.activation.inputs, gradients))

    def _tiles(self) -> list[Tensor]:
        return [self.data.tile(name) for name in self.activation.inputs]

    def _matrix(self, name: str, value: Tensor) -> Expected:
        shape = self.data.shape
        norm = value.norm().item() * math.sqrt(shape.rows / shape.period)
        return Expected(name, (shape.rows, shape.cols), self.data.dtype, value, norm)

    def _gradient(self, name: str, gradient: Tensor) -> Expected:
        if name not in COEFFICIENTS:
            return self._matrix(f"d{name}", gradient)
        periods = self.data.shape.rows / self.data.shape.period
        scale = self._terms(name).norm().item() * periods
        return Expected(f"d{name}", tuple(gradient.shape), "f32", gradient * periods, scale)

    @torch.no_grad()
    def _terms(self, name: str) -> Tensor:
        """The sums of absolute terms of a coefficient's gradient, dy · dy/da. The formulas are linear in every a."""
        tiles = dict(zip(self.activation.inputs, self._tiles()))
        dy = self.data.tile("dy")
        count = max(1, tiles[name].numel())
        zeros = {key: torch.zeros_like(tiles[key]) for key in COEFFICIENTS}
        sums = []
        for one in torch.eye(count, dtype=torch.float64, device=self.data.device):
            only = {**tiles, **zeros, name: one.reshape(tiles[name].shape)}
            sums.append((dy * self.activation.formula(**only)).abs().sum())
        return torch.stack(sums)


def disagreement(outputs: Sequence[Tensor], expected: Sequence[Expected], bound: float) -> str | None:
    """What is wrong with outputs, if anything is."""
    for output, wanted in zip(outputs, expected):
        if tuple(output.shape) != wanted.shape or output.dtype != TORCH_DTYPES[wanted.dtype]:
            got = f"{tuple(output.shape)} {output.dtype}"
            return f"{wanted.name} is {got}; expected {wanted.shape} {wanted.dtype}"
        periods = output.detach().reshape(-1, *wanted.value.shape)
        several = periods.split(max(1, MOST_AT_ONCE // max(1, wanted.value.numel())))
        error = math.sqrt(sum((part.double() - wanted.value).square().sum().item() for part in several))
        stored = wanted.value.to(output.dtype).double()
        ideal = 0.0 if wanted.dtype == "f32" else (stored - wanted.value).norm().item() * math.sqrt(len(periods))
        if not error <= bound * wanted.scale + ROUNDING * ideal:  # so that NaN is wrong
            return f"{wanted.name} is off by {error / wanted.scale:.1e} of its norm"
    return None
