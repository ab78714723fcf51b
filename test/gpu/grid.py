"""What check.py runs: every activation at the widths, dtypes, data and places in memory that have gone wrong
elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Mapping, NamedTuple, Sequence

from ops import OPS, Op

DTYPES = ("f32", "bf16", "f16")
WIDTHS = (1, 7, 123, 513, 1280, 1536, 2048, 4096, 5504, 8191, 8192, 8256, 14336, 16384, 32768, 65536)
"""Around the powers of two, the paper's 8256, odd ones, and what no block's registers hold."""
PERIOD = 16
"""Where there are many rows they repeat after so many, as f64 is slow: equal rows must give equal bits."""
MANY_ROWS = ((4096, 123), (2048, 1536), (512, 8256))
ROWWISE_SHAPES = ((640, 16384), (304, 40000), (2, 524288))
"""For ops that keep rows on the chip: more rows than blocks, of rows that several share; and what fits nowhere."""
ORDERS = (1, 2, 3, 4)


class Layout(NamedTuple):
    """Where matrices lie: elements before the first, and between the end of a row and the next."""

    name: str
    inputs: int = 0
    outputs: int = 0
    input_gap: int = 0
    output_gap: int = 0


PACKED = Layout("packed")
LAYOUTS = (
    PACKED,
    Layout("misaligned", inputs=1, outputs=3),
    Layout("strided", input_gap=16, output_gap=8),
    Layout("misaligned rows", inputs=2, outputs=1, input_gap=5, output_gap=7),
)


@dataclass(frozen=True)
class Case:
    """One op, forward and backward."""

    op: Op
    dtype: str
    rows: int
    cols: int
    data: str = "1"
    """A standard deviation; or `outlier` (one row a thousand times the others), `zeros`, `odd` (NaN, infinities)."""
    layout: Layout = PACKED
    order: int = 3
    scalars: tuple[tuple[str, float], ...] = ()
    """Those that are not at their defaults."""

    @property
    def all_scalars(self) -> dict[str, float]:
        """In the op's order."""
        given = dict(self.scalars)
        return {name: given.get(name, scalar["default"]) for name, scalar in self.op.scalars.items()}

    def __str__(self) -> str:
        parts = [self.op.name, f"{self.rows}x{self.cols}", self.dtype, f"data {self.data}", self.layout.name]
        if self.op.ordered and self.order != 3:
            parts.append(f"order {self.order}")
        return " ".join([*parts, *(f"{name} {value:g}" for name, value in self.scalars)])


@dataclass(frozen=True)
class Grid:
    """What of all that to run."""

    ops: Sequence[str] = tuple(op.name for op in OPS)
    dtypes: Sequence[str] = DTYPES
    widths: Sequence[int] = WIDTHS
    rows: int = 5
    many_rows: Sequence[tuple[int, int]] = MANY_ROWS
    rowwise_shapes: Sequence[tuple[int, int]] = ROWWISE_SHAPES
    all_data: bool = True


GRIDS: Mapping[str, Grid] = {
    "full": Grid(),
    # For tools that slow a kernel down a hundredfold: a width for every kernel that there is.
    "reduced": Grid(
        widths=(7, 123, 1536, 8256, 40000), rows=2, many_rows=((48, 123),), rowwise_shapes=(), all_data=False
    ),
    # For the emulator, and where there is no NumPy.
    "small": Grid(widths=(1, 7, 123, 520), rows=3, many_rows=((64, 37),), rowwise_shapes=(), all_data=False),
}


def cases_of(grid: Grid) -> Iterator[Case]:
    """Width by width, so that what is cut short has still seen every op."""
    chosen = [op for op in OPS if op.name in grid.ops]
    for cols in grid.widths:
        rows = grid.rows if cols <= 8192 else min(grid.rows, 3)
        for op in chosen:
            for dtype in grid.dtypes:
                # A row of one element is its norm: but for an epsilon of its size, its gradient is rounding alone.
                alone = op.rowwise and cols == 1
                scalars = (("epsilon", 1.0),) if alone else ()
                for layout in LAYOUTS:
                    yield Case(op, dtype, rows, cols, layout=layout, scalars=scalars)
                for data in ("odd",) if alone else data_of(op, grid):
                    yield Case(op, dtype, rows, cols, data, scalars=scalars)
    for rows, cols in (*grid.many_rows, *grid.rowwise_shapes):
        for op in chosen:
            for dtype in grid.dtypes:
                if op.rowwise or (rows, cols) in grid.many_rows:
                    yield Case(op, dtype, rows, cols)
    for op in chosen:
        for dtype in grid.dtypes:
            yield from variants(op, dtype)


def data_of(op: Op, grid: Grid) -> Sequence[str]:
    if not grid.all_data:
        return ("odd",)
    return ("0.1", "4", "12", "outlier", "zeros", "odd") if op.rowwise else ("12", "odd")


def variants(op: Op, dtype: str) -> Iterator[Case]:
    """The other orders, and values of the scalars."""
    for cols in (77, 600):
        if op.ordered:
            for order in ORDERS:
                yield Case(op, dtype, 4, cols, order=order)
        for name, scalar in op.scalars.items():
            for value in scalar.get("also", ()):
                yield Case(op, dtype, 4, cols, scalars=((name, value),))
