"""What every activation should give, a row at a time in f64, with the sum of the absolute terms beside each value: the
same formulas as the rows of src/activations have in TypeScript, and independent of native/math."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Mapping, NamedTuple, Sequence

from vectors import (
    Vector,
    choose,
    each,
    exponential,
    logistic,
    positive,
    power,
    rectified,
    total,
    zeros,
)

ROOT_8_PI = math.sqrt(8 / math.pi)
CUBIC = 0.044715


class Sums(NamedTuple):
    """Values, and the sums of the absolute terms that they are sums of."""

    value: Vector
    terms: Vector

    def plus(self, term: Vector, terms: Vector | None = None) -> Sums:
        return Sums(self.value + term, self.terms + (abs(term) if terms is None else terms))

    def times(self, factor: Vector) -> Sums:
        return Sums(self.value * factor, self.terms * abs(factor))


class Coefficients(NamedTuple):
    """The highest power first."""

    weight: Sequence[float] = ()
    bias: float = 0.0


class Gradients(NamedTuple):
    """Of one row: dx, and its part of the gradients of the coefficients, as (value, terms)."""

    dx: Sums
    dweight: list[tuple[float, float]] = []
    dbias: tuple[float, float] = (0.0, 0.0)


Scalars = Mapping[str, float]
Forward = Callable[[Vector, Coefficients, Scalars], Sums]
Backward = Callable[[Vector, Vector, Coefficients, Scalars], Gradients]


@dataclass(frozen=True)
class Formula:
    """f, and its gradients for a given dy."""

    forward: Forward
    backward: Backward


def nothing(x: Vector) -> Sums:
    return Sums(zeros(len(x)), zeros(len(x)))


def single(value: Vector) -> Sums:
    return Sums(value, abs(value))


def elementwise(
    value: Callable[[Vector, Scalars], Vector], slope: Callable[[Vector, Scalars], Sequence[Vector]]
) -> Formula:
    """y = value(x), dx = dy times the sum of the slope's terms."""

    def backward(x: Vector, dy: Vector, _: Coefficients, scalars: Scalars) -> Gradients:
        dx = nothing(x)
        for term in slope(x, scalars):
            dx = dx.plus(dy * term)
        return Gradients(dx)

    return Formula(lambda x, _, scalars: single(value(x, scalars)), backward)


def polynorm_powers(x: Vector, weight: Sequence[float], scalars: Scalars) -> list[tuple[int, float, float]]:
    """(p, a_p, r_p) with r_p = (mean(x^2p) + epsilon)^-1/2, or with a sum for the mean."""
    powers = []
    for p in range(1, len(weight) + 1):
        square = total(power(x, 2 * p)) / count_of(x, scalars) + scalars["epsilon"]
        powers.append((p, weight[len(weight) - p], 0.0 if square == 0 else 1 / math.sqrt(square)))
    return powers


def count_of(x: Vector, scalars: Scalars) -> float:
    return 1.0 if scalars["norm"] == 1 else float(len(x))


def polynorm_forward(x: Vector, of: Coefficients, scalars: Scalars) -> Sums:
    y = nothing(x).plus(zeros(len(x)) + of.bias)
    for p, a, r in polynorm_powers(x, of.weight, scalars):
        y = y.plus(power(x, p) * (a * r))
    return y


def polynorm_backward(x: Vector, dy: Vector, of: Coefficients, scalars: Scalars) -> Gradients:
    """dx = sum over p of p a_p r_p x^(p-1) (g - n_p r_p S_p / H), S_p = sum of g x^p; da_p = r_p S_p."""
    dx, dweight = nothing(x), []
    for p, a, r in polynorm_powers(x, of.weight, scalars):
        shares = dy * power(x, p) * r
        value, terms = total(shares), total(abs(shares))
        dweight.insert(0, (value, terms))
        slope = power(x, p - 1) * (p * a * r)
        share = power(x, p) * (r / count_of(x, scalars))
        dx = dx.plus(slope * dy).plus(-(slope * share) * value, abs(slope * share) * terms)
    return Gradients(dx, dweight, (total(dy), total(abs(dy))))


def polyrelu_forward(x: Vector, of: Coefficients, _: Scalars) -> Sums:
    y = nothing(x).plus(zeros(len(x)) + of.bias)
    for i, a in enumerate(of.weight):
        y = y.plus(power(rectified(x), len(of.weight) - i) * a)
    return y


def polyrelu_backward(x: Vector, dy: Vector, of: Coefficients, _: Scalars) -> Gradients:
    dx, dweight = nothing(x), []
    for i, a in enumerate(of.weight):
        p = len(of.weight) - i
        dx = dx.plus(dy * positive(x) * power(rectified(x), p - 1) * (p * a))
        shares = dy * power(rectified(x), p)
        dweight.append((total(shares), total(abs(shares))))
    return Gradients(dx, dweight, (total(dy), total(abs(dy))))


def gelu_share(x: Vector, scalars: Scalars) -> Vector:
    if scalars["approximate"] == 0:
        return each(lambda value: math.erfc(-value * math.sqrt(0.5)) / 2, x)
    return logistic(gelu_argument(x))


def gelu_argument(x: Vector) -> Vector:
    return (x + power(x, 3) * CUBIC) * ROOT_8_PI


def gelu_slope(x: Vector, scalars: Scalars) -> Sequence[Vector]:
    share = gelu_share(x, scalars)
    if scalars["approximate"] == 0:
        return [share, x * exponential(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))]
    product = share * logistic(-gelu_argument(x))
    # Beyond where the product is 0, infinity times 0 would be NaN.
    return [share, choose(product, zeros(len(x)), x * product * (power(x, 2) * (3 * CUBIC) + 1) * ROOT_8_PI)]


FORMULAS: Mapping[str, Formula] = {
    "polynorm": Formula(polynorm_forward, polynorm_backward),
    "polyrelu": Formula(polyrelu_forward, polyrelu_backward),
    "relu": elementwise(lambda x, _: rectified(x), lambda x, _: [positive(x)]),
    "relu2": elementwise(lambda x, _: power(rectified(x), 2), lambda x, _: [rectified(x) * 2.0]),
    "gelu": elementwise(lambda x, scalars: x * gelu_share(x, scalars), gelu_slope),
    "silu": elementwise(
        lambda x, _: x * logistic(x), lambda x, _: [logistic(x), x * logistic(x) * logistic(-x)]
    ),
}


@dataclass(frozen=True)
class Op:
    """An activation of native/include/polycom.h."""

    name: str
    formula: Formula
    gated: bool = False
    coefficients: bool = False
    scalars: tuple[str, ...] = ()

    @property
    def matrices(self) -> tuple[str, ...]:
        return ("gate", "up") if self.gated else ("x",)

    @property
    def rowwise(self) -> bool:
        return "epsilon" in self.scalars


def op_of(name: str, formula: str, gated: bool = False) -> Op:
    scalars = {"polynorm": ("epsilon", "norm"), "gelu": ("approximate",)}.get(formula, ())
    return Op(name, FORMULAS[formula], gated, formula.startswith("poly"), scalars)


OPS: tuple[Op, ...] = (
    *(op_of(name, name) for name in FORMULAS),
    op_of("polynormglu", "polynorm", gated=True),
    op_of("polyreluglu", "polyrelu", gated=True),
    op_of("reglu", "relu", gated=True),
    op_of("geglu", "gelu", gated=True),
    op_of("swiglu", "silu", gated=True),
)


def forward(op: Op, matrices: Sequence[Vector], of: Coefficients, scalars: Scalars) -> Sums:
    """y of one row."""
    y = op.formula.forward(matrices[0], of, scalars)
    return y.times(matrices[1]) if op.gated else y


def backward(
    op: Op, matrices: Sequence[Vector], dy: Vector, of: Coefficients, scalars: Scalars
) -> tuple[list[Sums], Gradients]:
    """The gradients of the matrices of one row, and those that hold the row's part of the coefficients'."""
    if not op.gated:
        gradients = op.formula.backward(matrices[0], dy, of, scalars)
        return [gradients.dx], gradients
    gradients = op.formula.backward(matrices[0], dy * matrices[1], of, scalars)
    return [gradients.dx, op.formula.forward(matrices[0], of, scalars).times(dy)], gradients
