"""The ops of the library, as build/ops.json describes them: `npm run ops` writes it where Node is, and it is carried along
to a machine that has none."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

FILE = Path(__file__).resolve().parents[2] / "build" / "ops.json"


class Pass(NamedTuple):
    """A function of the header, and what its tensors are called."""

    op: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    scalars: Sequence[str] = ()
    in_place: bool = False
    """Whether it writes its inputs, all but the first."""
    copies: Mapping[str, str] = {}
    """Which of those are others as another dtype holds them."""


@dataclass(frozen=True)
class Op:
    """A row of the table."""

    name: str
    kind: str
    """`activation`, `gated` or `op`."""
    row: Mapping[str, Any]

    def __hash__(self) -> int:
        return hash(self.name)

    @cached_property
    def parameters(self) -> dict[str, Mapping[str, Any]]:
        """What is learned, by name."""
        return {parameter["name"]: parameter for parameter in self.row["parameters"]}

    @cached_property
    def scalars(self) -> dict[str, Mapping[str, Any]]:
        """By name, in the order of a call's."""
        return {scalar["name"]: scalar for scalar in self.row["scalars"]}

    @cached_property
    def matrices(self) -> tuple[str, ...]:
        """The inputs that are not learned: of an activation the matrices."""
        return tuple(name for name in self.row["inputs"] if name not in self.parameters)

    @property
    def ordered(self) -> bool:
        """Whether a parameter has an element for each power."""
        return any("order" in parameter["shape"] for parameter in self.parameters.values())

    @property
    def rowwise(self) -> bool:
        """Whether the elements of a row are coupled, by their norm."""
        return "epsilon" in self.scalars

    @cached_property
    def passes(self) -> tuple[Pass, Pass]:
        row, scalars = self.row, tuple(self.scalars)
        given = [*row["kept"], *(f"d{name}" for name in row["differentiable"])]
        taken = [f"d{name}" for name in row["gradients"]]
        return (
            Pass(f"{self.name}_forward", row["inputs"], row["outputs"], scalars),
            Pass(f"{self.name}_backward", given, taken, scalars),
        )


def read_ops() -> tuple[Op, ...]:
    """Every op of the table."""
    path = Path(os.environ.get("POLYCOM_OPS", FILE))
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        sys.exit(f"{path} cannot be read ({error.strerror}): make it by npm run ops, where Node is, and bring it along")
    return tuple(Op(row["name"], row["kind"], row) for row in rows)


ALL = read_ops()
OPS = tuple(op for op in ALL if op.kind != "op")
"""The activations."""
OTHERS = tuple(op for op in ALL if op.kind == "op")
