"""The library's other kernels, and calls of them: what a transformer has beside activations, and PolyNorm's extensions."""

from __future__ import annotations

import array
import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Iterator, Mapping, NamedTuple, Sequence

from checks import MEAN
from ops import OTHERS, Pass
from vectors import Vector, encode, normal, power, vector


class Given(NamedTuple):
    """A tensor that a call is given."""

    dtype: str
    shape: tuple[int, ...]
    stored: bytes


PASSES: Mapping[str, Sequence[Pass]] = {
    **{op.name: op.passes for op in OTHERS},
    "copy": [Pass("copy", ["x"], ["y"], ["method"])],
    "stream": [Pass("stream", ["a", "b", "c"], ["y", "z"], ["method"])],
    "squaresum": [Pass("squaresum", ["a", "b", "c"], ["sum"])],
    "adamw": [Pass("adamw", ["hyper", *(f"{of}{i}" for i in range(3) for of in "pgmv")], [], in_place=True)],
}
"""By name: those of the table, and those of one pass."""


@dataclass(frozen=True)
class OtherCase:
    """One of them, on tensors by their names: what a forward pass gives is backward's too."""

    name: str
    about: str
    tensors: Mapping[str, Given]
    scalars: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.about}"


@dataclass(frozen=True)
class Sizes:
    """How large the calls are."""

    rows: Sequence[tuple[int, int]]
    groups: Sequence[tuple[int, int]]
    vocabulary: tuple[int, int]
    table: tuple[int, int, int]
    """Rows, columns, ids."""
    heads: Sequence[tuple[int, int, int, int, int, int]]
    """Batch, time, keys, heads, heads of keys and values, width."""
    elements: int


SMALL = Sizes(
    rows=((1, 1), (5, 123), (70, 64), (3, 520)),
    groups=((11, 7), (9, 123), (5, 520)),
    vocabulary=(5, 123),
    table=(20, 12, 33),
    heads=((2, 7, 7, 4, 2, 8), (1, 20, 50, 2, 1, 16), (3, 1, 40, 4, 1, 6)),
    elements=3001,
)
FULL = Sizes(
    rows=((1, 1), (5, 123), (9000, 64), (300, 768), (2048, 1536), (7, 8191), (5, 8256), (2, 65536)),
    groups=((40, 7), (600, 123), (40, 1536), (9, 8191), (6, 8256), (3, 65536)),
    vocabulary=(300, 32003),
    table=(5000, 768, 1000),
    heads=(
        *((2, 7, 7, 4, 2, 8), (1, 123, 123, 2, 2, 96), (2, 300, 300, 4, 1, 64), (1, 70, 580, 2, 1, 128)),
        *((3, 1, 1500, 8, 2, 64), (2, 128, 128, 4, 4, 128), (1, 33, 33, 2, 1, 6)),
    ),
    elements=1_000_003,
)
SIZES: Mapping[str, Sizes] = {"full": FULL, "reduced": SMALL, "small": SMALL}
"""By the names of grid.GRIDS."""


def others(sizes: Sizes) -> Iterator[OtherCase]:
    """Calls of every kernel but those of the activations."""
    for rows, cols in sizes.rows:
        yield from row_cases(rows, cols)
    for rows, cols in sizes.groups:
        for dtype in ("f32", "bf16", "f16"):
            yield from group_cases(rows, cols, dtype)
    for of in sizes.heads:
        yield attention_case(*of)
    yield from table_cases(sizes)
    yield from flat_cases(sizes.elements)


def row_cases(rows: int, cols: int) -> Iterator[OtherCase]:
    shape = (rows, cols)
    about = f"{rows}x{cols}"
    x, residual, dy = (normals(shape, seed) for seed in (1, 2, 3))
    weight = normals((cols,), 4)
    yield OtherCase("rmsnorm", about, {"x": x, "weight": weight, "dy": dy}, {"epsilon": 1e-5})
    both = {"x": x, "residual": residual, "weight": weight, "dy": dy, "dsum": normals(shape, 5)}
    yield OtherCase("addrmsnorm", about, both, {"epsilon": 1e-5})


def group_cases(rows: int, cols: int, dtype: str) -> Iterator[OtherCase]:
    """Four groups, one of them empty, between rows that are padding; then one group of all, with defaults."""
    shape, order = (rows, cols), 3
    cuts = sorted((1, rows // 3, rows // 3, 2 * rows // 3, rows - 1))
    tensors = {"x": normals(shape, 11, dtype), "up": normals(shape, 12, dtype), "dy": normals(shape, 13, dtype)}
    all_of_it = {
        **tensors,
        **{"weight": normals((4, order), 14), "bias": normals((4,), 15), "shift": normals((cols,), 16)},
        "offsets": whole_numbers(cuts),
    }
    bare = {
        **tensors,
        **{"weight": normals((1, order), 14), "bias": normals((1,), 15), "shift": floats([], (0,))},
        "offsets": whole_numbers([]),
    }
    scalars = {"epsilon": 1e-6, "norm": 0.0, "input_clamp": 1.5, "bias_clamp": 0.4, "output_scale": 0.7}
    plain = {"epsilon": 1e-6, "norm": 1.0, "input_clamp": 0.0, "bias_clamp": 0.0, "output_scale": 1.0}
    for name in ("groupedpolynorm", "groupedpolynormglu"):
        yield OtherCase(name, f"{rows}x{cols} {dtype} in groups", all_of_it, scalars)
        yield OtherCase(name, f"{rows}x{cols} {dtype}", bare, plain)


def attention_case(batch: int, time: int, keys: int, heads: int, kv_heads: int, width: int) -> OtherCase:
    queries, stored = (batch, time, heads, width), (batch, keys, kv_heads, width)
    # The last batch as far on as there are keys, the others less.
    start = [max(0, (keys - time) * (b + 1) // batch) for b in range(batch)]
    # Without a mean: the gradients of the scores add up to 0, and would cancel it.
    drawn = {"q": queries, "k": stored, "v": stored, "dy": queries}
    tensors = {
        **{name: normals(shape, 31 + i, mean=0.0) for i, (name, shape) in enumerate(drawn.items())},
        "start": whole_numbers(start),
    }
    return OtherCase("attention", f"{batch}x{time}x{heads}x{width} on {keys}x{kv_heads}", tensors, {"scale": 0.0})


def table_cases(sizes: Sizes) -> Iterator[OtherCase]:
    """What is looked up: labels, ids, positions."""
    rows, cols = sizes.vocabulary
    labels = [-1 if i == 1 else (7919 * i) % cols for i in range(rows)]
    logits = {"logits": normals((rows, cols), 41, scale=4.0), "labels": whole_numbers(labels)}
    yield OtherCase("crossentropy", f"{rows}x{cols}", {**logits, "dloss": normals((rows,), 42)})
    entries, width, count = sizes.table
    ids = [(7919 * i * i) % entries for i in range(count)]
    looked_up = {"table": normals((entries, width), 43), "ids": whole_numbers(ids)}
    yield OtherCase("embedding", f"{count} of {entries}x{width}", {**looked_up, "dy": normals((count, width), 44)})
    batch, time, _, heads, _, width = sizes.heads[0]
    turned = (batch, time, heads, width)
    angles = {"table": normals((time + 9, width), 45), "start": whole_numbers([3 * b for b in range(batch)])}
    about = "x".join(map(str, turned))
    yield OtherCase("rotary", about, {"x": normals(turned, 46), **angles, "dy": normals(turned, 47)})


def flat_cases(elements: int) -> Iterator[OtherCase]:
    """What knows no rows."""
    flat = {"x": normals((elements,), 51), "dy": normals((elements,), 52)}
    seeded = {**flat, "seed": whole_numbers([12345, -678])}
    yield OtherCase("dropout", f"{elements}", seeded, {"rate": 0.25})
    for method in (0, 1, 2):
        yield OtherCase("copy", f"{elements}, method {method}", flat, {"method": method})
        # Whose exclusive or is finite, as that of any floats is not.
        mixed = {"a": flat["x"], "b": flat["dy"], "c": flat["dy"]}
        yield OtherCase("stream", f"{elements}, method {method}", mixed, {"method": method})
    lengths = (elements, 1, 37)
    terms = {name: normals((length,), 53) for name, length in zip("abc", lengths)}
    yield OtherCase("squaresum", f"{sum(lengths)} in {len(lengths)}", terms)
    # Rate, beta1, 1 - beta1, beta2, 1 - beta2, epsilon, decay, the factor of gradients, and of the fifth step
    # 1 - beta1^t and sqrt(1 - beta2^t).
    hyper = [1e-3, 0.9, 0.1, 0.95, 0.05, 1e-8, 0.1, 0.5, 1 - 0.9**5, (1 - 0.95**5) ** 0.5]
    state = {"hyper": floats(hyper, (10,))}
    for i, length in enumerate(lengths):
        for of, seed in zip("pgm", (61, 62, 63)):
            state[f"{of}{i}"] = normals((length,), seed + 10 * i)
        state[f"v{i}"] = floats(power(normal(length, 64 + i), 2), (length,))
    yield OtherCase("adamw", f"{sum(lengths)} in {len(lengths)}", state)


@lru_cache(maxsize=64)
def normals(
    shape: tuple[int, ...], seed: int, dtype: str = "f32", scale: float = 1.0, mean: float = MEAN
) -> Given:
    return Given(dtype, shape, encode(normal(math.prod(shape), seed) * scale + mean, dtype))


def floats(values: Sequence[float] | Vector, shape: tuple[int, ...]) -> Given:
    return Given("f32", shape, encode(vector(values), "f32"))


def whole_numbers(values: Sequence[int]) -> Given:
    return Given("i32", (len(values),), array.array("i", values).tobytes())
