"""What pytorch_gpu.py measures: ops, dtypes and shapes, in slices that fit a machine that is lent for minutes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterable, Sequence

ELEMENTS = 1 << 26
"""Of a large matrix: from here on the targets hold."""
WIDTHS = (8256, 1280, 1536, 2048, 4096, 5504, 8192, 14336, 16384, 32768, 65536)
"""The paper's first."""
FEW_ROWS = (1, 16, 128, 1024)
DTYPES = ("bf16", "f32", "f16")
EAGER, EAGER_F32 = "pytorch-eager", "pytorch-eager-f32"
COMPILED, AUTOTUNED = "pytorch-compiled", "pytorch-autotuned"
LIGER, LIGER_IN_PLACE = "liger", "liger-in-place"
PEERS = (EAGER, EAGER_F32, COMPILED, AUTOTUNED, LIGER, LIGER_IN_PLACE)
STOCK_PEERS = (EAGER, COMPILED, LIGER)
UNCOMPILED = (EAGER, EAGER_F32, LIGER, LIGER_IN_PLACE)
STOCK = ("relu", "relu2", "gelu", "gelu_tanh", "silu", "reglu", "geglu", "swiglu", "polyreluglu")
TARGETS = {
    ("plain", "forward"): 0.92,
    ("plain", "backward"): 0.88,
    ("gated", "forward"): 0.9,
    ("gated", "backward"): 0.9,
}
"""Shares of a copy's rate, of large matrices."""


@dataclass(frozen=True)
class Work:
    """An op at a shape, and what it is measured against."""

    op: str
    dtype: str
    rows: int
    cols: int
    peers: Sequence[str] = PEERS

    def __str__(self) -> str:
        return f"{self.op} {self.rows}x{self.cols} {self.dtype}"


def rows_for(cols: int) -> int:
    """As few rows, in sixteens, as make a matrix large."""
    return 16 * math.ceil(ELEMENTS / cols / 16)


def large(op: str, dtype: str, widths: Iterable[int], peers: Sequence[str] = PEERS) -> list[Work]:
    return [Work(op, dtype, rows_for(cols), cols, peers) for cols in widths]


def quick() -> list[Work]:
    """About three minutes: compiling takes most of what there is, so it is done once."""
    some = (2048, 4096, 16384, 65536)
    return [
        *large("polynorm", "bf16", [8256]),
        *large("polynormglu", "bf16", [8256], UNCOMPILED),
        *large("polynorm", "bf16", some, UNCOMPILED),
        *large("polynorm", "f32", [8256], UNCOMPILED),
        *large("polynorm", "f16", [8256], UNCOMPILED),
        *large("rmsnorm", "bf16", [8192], (EAGER,)),
        *large("polyrelu", "bf16", [8256], (EAGER,)),
        *large("relu2", "bf16", [8192], (EAGER, LIGER)),
        *large("swiglu", "bf16", [8192], (EAGER, LIGER)),
        Work("polynorm", "bf16", 16, 2048, UNCOMPILED),
    ]


def full() -> list[Work]:
    """An hour or so, most of it torch.compile: for slices of it."""
    works = [work for dtype in DTYPES for work in large("polynorm", dtype, WIDTHS)]
    works += large("polynormglu", "bf16", WIDTHS)
    works += [work for dtype in DTYPES[1:] for work in large("polynormglu", dtype, (8256, 2048, 16384, 65536))]
    works += [Work("polynorm", "bf16", rows, 8256) for rows in FEW_ROWS]
    works += [Work("polynormglu", "bf16", rows, 8256) for rows in FEW_ROWS]
    works += large("polyrelu", "bf16", (8256, 2048, 16384)) + large("polyrelu", "f32", (8256,))
    works += [work for op in STOCK for dtype in DTYPES[:2] for work in large(op, dtype, (8192,), STOCK_PEERS)]
    works += large("rmsnorm", "bf16", WIDTHS, (EAGER,))
    return works


GRIDS = {"quick": quick, "full": full}


def slice_of(works: Sequence[Work], part: int, parts: int) -> list[Work]:
    """Every `parts`-th, so that slices take about as long as each other. Parts count from 1."""
    return list(works[part - 1 :: parts])
