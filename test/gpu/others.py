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
    "mixedadamw": [
        Pass(
            "mixedadamw",
            ["hyper", *(f"{of}{i}" for i in range(3) for of in "pgmvc")],
            [],
            in_place=True,
            copies={f"c{i}": f"p{i}" for i in range(3)},
        )
    ],
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
DTYPES = ("f32", "bf16", "f16")
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
    for dtype in DTYPES:
        for rows, cols in sizes.rows:
            yield from row_cases(rows, cols, dtype)
        for rows, cols in sizes.groups:
            yield from group_cases(rows, cols, dtype)
        for of in sizes.heads:
            yield attention_case(*of, dtype)
        yield from table_cases(sizes, dtype)
        yield from flat_cases(sizes.elements, dtype)
        yield from list_cases(sizes.elements, dtype)
    yield from yardstick_cases(sizes.elements)


def row_cases(rows: int, cols: int, dtype: str) -> Iterator[OtherCase]:
    shape = (rows, cols)
    about = f"{rows}x{cols} {dtype}"
    x, dy = normals(shape, 1, dtype), normals(shape, 3, dtype)
    weight = normals((cols,), 4)
    yield OtherCase("rmsnorm", about, {"x": x, "weight": weight, "dy": dy}, {"epsilon": 1e-5})
    # y is of the sum as it is stored: of eighths, so few that 16 bits hold it, and f32 has the same.
    terms = {name: eighths(shape, seed, dtype) for name, seed in (("x", 6), ("residual", 7))}
    both = {**terms, "weight": weight, "dy": dy, "dsum": normals(shape, 5, dtype)}
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


def attention_case(
    batch: int, time: int, keys: int, heads: int, kv_heads: int, width: int, dtype: str
) -> OtherCase:
    queries, stored = (batch, time, heads, width), (batch, keys, kv_heads, width)
    # The last batch as far on as there are keys, the others less.
    start = [max(0, (keys - time) * (b + 1) // batch) for b in range(batch)]
    # Without a mean: the gradients of the scores add up to 0, and would cancel it.
    drawn = {"q": queries, "k": stored, "v": stored, "dy": queries}
    tensors = {
        **{name: normals(shape, 31 + i, dtype, mean=0.0) for i, (name, shape) in enumerate(drawn.items())},
        "start": whole_numbers(start),
    }
    about = f"{batch}x{time}x{heads}x{width} on {keys}x{kv_heads} {dtype}"
    return OtherCase("attention", about, tensors, {"scale": 0.0})


def table_cases(sizes: Sizes, dtype: str) -> Iterator[OtherCase]:
    """What is looked up: labels, ids, positions."""
    rows, cols = sizes.vocabulary
    labels = [-1 if i == 1 else (7919 * i) % cols for i in range(rows)]
    logits = {"logits": normals((rows, cols), 41, dtype, scale=4.0), "labels": whole_numbers(labels)}
    yield OtherCase("crossentropy", f"{rows}x{cols} {dtype}", {**logits, "dloss": normals((rows,), 42)})
    entries, width, count = sizes.table
    ids = [(7919 * i * i) % entries for i in range(count)]
    looked_up = {"table": normals((entries, width), 43, dtype), "ids": whole_numbers(ids)}
    about = f"{count} of {entries}x{width} {dtype}"
    yield OtherCase("embedding", about, {**looked_up, "dy": normals((count, width), 44, dtype)})
    batch, time, _, heads, _, width = sizes.heads[0]
    turned = (batch, time, heads, width)
    angles = {"table": normals((time + 9, width), 45), "start": whole_numbers([3 * b for b in range(batch)])}
    about = f"{'x'.join(map(str, turned))} {dtype}"
    x, dy = (normals(turned, seed, dtype) for seed in (46, 47))
    yield OtherCase("rotary", about, {"x": x, **angles, "dy": dy})


def flat_cases(elements: int, dtype: str) -> Iterator[OtherCase]:
    """What knows no rows."""
    flat = {"x": normals((elements,), 51, dtype), "dy": normals((elements,), 52, dtype)}
    seeded = {**flat, "seed": whole_numbers([12345, -678])}
    yield OtherCase("dropout", f"{elements} {dtype}", seeded, {"rate": 0.25})


def yardstick_cases(elements: int) -> Iterator[OtherCase]:
    """What moves bytes."""
    flat = {"x": normals((elements,), 51), "y": normals((elements,), 52)}
    for method in (0, 1, 2):
        yield OtherCase("copy", f"{elements}, method {method}", {"x": flat["x"]}, {"method": method})
        # Whose exclusive or is finite, as that of any floats is not.
        mixed = {"a": flat["x"], "b": flat["y"], "c": flat["y"]}
        yield OtherCase("stream", f"{elements}, method {method}", mixed, {"method": method})


def list_cases(elements: int, dtype: str) -> Iterator[OtherCase]:
    """What takes any number of tensors: of gradients in this dtype."""
    lengths = (elements, 1, 37)
    about = f"{sum(lengths)} in {len(lengths)} {dtype}"
    terms = {name: normals((length,), 53, dtype) for name, length in zip("abc", lengths)}
    yield OtherCase("squaresum", about, terms)
    # Rate, beta1, 1 - beta1, beta2, 1 - beta2, epsilon, decay, the factor of gradients, and of the fifth step
    # 1 - beta1^t and sqrt(1 - beta2^t).
    hyper = [1e-3, 0.9, 0.1, 0.95, 0.05, 1e-8, 0.1, 0.5, 1 - 0.9**5, (1 - 0.95**5) ** 0.5]
    state = {"hyper": floats(hyper, (10,))}
    for i, length in enumerate(lengths):
        for of, seed in zip("pm", (61, 63)):
            state[f"{of}{i}"] = normals((length,), seed + 10 * i)
        state[f"g{i}"] = normals((length,), 62 + 10 * i, dtype)
        state[f"v{i}"] = floats(power(normal(length, 64 + i), 2), (length,))
    yield OtherCase("adamw", about, state)
    copies = {f"c{i}": normals((length,), 65, DTYPES[1 + i % 2]) for i, length in enumerate(lengths)}
    yield OtherCase("mixedadamw", about, {**state, **copies})


@lru_cache(maxsize=64)
def normals(
    shape: tuple[int, ...], seed: int, dtype: str = "f32", scale: float = 1.0, mean: float = MEAN
) -> Given:
    return Given(dtype, shape, encode(normal(math.prod(shape), seed) * scale + mean, dtype))


@lru_cache(maxsize=64)
def eighths(shape: tuple[int, ...], seed: int, dtype: str) -> Given:
    """Whole eighths."""
    coarse = 1.5 * 2.0**49  # of f64, whose numbers beside this one are an eighth apart
    return Given(dtype, shape, encode(2.0 * normal(math.prod(shape), seed) + coarse - coarse, dtype))


def floats(values: Sequence[float] | Vector, shape: tuple[int, ...]) -> Given:
    return Given("f32", shape, encode(vector(values), "f32"))


def whole_numbers(values: Sequence[int]) -> Given:
    return Given("i32", (len(values),), array.array("i", values).tobytes())
