"""Vectors of f64, and the bytes that a dtype stores them as: NumPy's where it is there, else plain Python, which is
slow."""

from __future__ import annotations

import math
import random
import struct
from array import array
from typing import Any, Callable, Iterable

try:
    import numpy
except ImportError:
    numpy = None

ITEM_BYTES = {"f32": 4, "f16": 2, "bf16": 2, "i32": 4}
LARGEST = {"f32": 3.4028234663852886e38, "f16": 65504.0, "bf16": 3.3895313892515355e38}

Vector = Any
"""What `vector` gives: + - * with vectors and numbers, abs, len, iteration."""
Mask = Any
"""What `finite` gives, a truth for each element; or `kinds`, a number."""


class Plain:
    """A vector where there is no NumPy."""

    __slots__ = ("values",)

    def __init__(self, values: Iterable[float]) -> None:
        self.values = list(values)

    def _with(self, other: Plain | float, of: Callable[[float, float], float]) -> Plain:
        if isinstance(other, Plain):
            return Plain(map(of, self.values, other.values))
        return Plain(of(value, other) for value in self.values)

    def __add__(self, other: Plain | float) -> Plain:
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: Plain | float) -> Plain:
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other: Plain | float) -> Plain:
        return self._with(other, lambda a, b: a * b)

    def __neg__(self) -> Plain:
        return self * -1.0

    def __abs__(self) -> Plain:
        return Plain(map(abs, self.values))

    __radd__ = __add__
    __rmul__ = __mul__

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self):
        return iter(self.values)


def vector(values: Iterable[float]) -> Vector:
    return Plain(values) if numpy is None else numpy.fromiter(values, dtype=numpy.float64)


def normal(length: int, seed: int) -> Vector:
    """Of the standard normal distribution, the same for the same seed."""
    if numpy is not None:
        return numpy.random.default_rng(seed).standard_normal(length)
    source = random.Random(seed)
    return Plain(source.gauss(0, 1) for _ in range(length))


def power(x: Vector, exponent: int) -> Vector:
    result = x
    for _ in range(exponent - 1):
        result = result * x
    return result if exponent > 0 else x * 0.0 + 1.0


def norm(values: Vector) -> float:
    """The Euclidean norm of what is finite."""
    if numpy is None:
        return math.sqrt(math.fsum(value * value for value in values if math.isfinite(value)))
    return float(numpy.sqrt(numpy.square(values[numpy.isfinite(values)]).sum()))


def kinds(values: Vector) -> Mask:
    """Of each element: 0 for a finite one, 1 and -1 for the infinities, 2 for NaN."""
    if numpy is not None:
        return numpy.where(numpy.isnan(values), 2, numpy.where(numpy.isinf(values), numpy.sign(values), 0))
    return [2 if math.isnan(value) else int(math.copysign(1, value)) if math.isinf(value) else 0 for value in values]


def finite(values: Vector) -> Mask:
    """Which elements are."""
    return [math.isfinite(value) for value in values] if numpy is None else numpy.isfinite(values)


def every(mask: Mask) -> bool:
    return all(mask) if numpy is None else bool(mask.all())


def first_difference(a: Mask, b: Mask) -> int | None:
    """The first element in which they differ."""
    if numpy is None:
        return next((i for i, (of_a, of_b) in enumerate(zip(a, b)) if of_a != of_b), None)
    return int(numpy.argmax(a != b)) if (a != b).any() else None


def only(values: Vector, mask: Mask) -> Vector:
    """The elements of a mask."""
    return Plain(value for value, kept in zip(values, mask) if kept) if numpy is None else values[mask]


def element(values: Vector, at: int) -> float:
    return values.values[at] if numpy is None else float(values[at])


def encode(values: Vector, dtype: str) -> bytes:
    """As a dtype stores them, rounded to the nearest, ties to even."""
    if numpy is not None:
        if dtype == "bf16":
            return _to_bf16(values.astype(numpy.float32)).tobytes()
        return values.astype(numpy.float32 if dtype == "f32" else numpy.float16).tobytes()
    if dtype == "f32":
        return array("f", map(_to_f32, values)).tobytes()
    if dtype == "f16":
        return b"".join(struct.pack("<e", _within(value, 65520.0)) for value in values)
    return b"".join(_plain_bf16(value) for value in values)


def decode(stored: bytes, dtype: str) -> Vector:
    """What bytes hold, in f64."""
    if numpy is not None:
        if dtype == "bf16":
            wide = numpy.frombuffer(stored, dtype=numpy.uint16).astype(numpy.uint32) << 16
            return wide.view(numpy.float32).astype(numpy.float64)
        return numpy.frombuffer(stored, dtype=numpy.float32 if dtype == "f32" else numpy.float16).astype(float)
    if dtype == "f32":
        return Plain(array("f", stored))
    if dtype == "f16":
        return Plain(value for (value,) in struct.iter_unpack("<e", stored))
    halves = struct.iter_unpack("<H", stored)
    return Plain(struct.unpack("<f", struct.pack("<I", half << 16))[0] for (half,) in halves)


def rounded(values: Vector, dtype: str) -> Vector:
    """As a dtype holds them."""
    return decode(encode(values, dtype), dtype)


def quiet() -> None:
    """Lets NumPy compute with infinities and NaN without warnings: they are among what is checked."""
    if numpy is not None:
        numpy.seterr(all="ignore")


def _to_bf16(wide: Any) -> Any:
    bits = wide.view(numpy.uint32)
    nearest = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)
    return numpy.where(numpy.isnan(wide), numpy.uint16(0x7FC0), nearest)


def _plain_bf16(value: float) -> bytes:
    if math.isnan(value):
        return b"\xc0\x7f"
    (bits,) = struct.unpack("<I", struct.pack("<f", _to_f32(value)))
    return struct.pack("<H", (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 & 0xFFFF)


def _to_f32(value: float) -> float:
    return _within(value, 3.4028235677973366e38)


def _within(value: float, limit: float) -> float:
    """Infinite from where rounding makes it so: struct and array raise instead."""
    return math.copysign(math.inf, value) if abs(value) >= limit else value
