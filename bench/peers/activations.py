"""The activations as a user of PyTorch would write them: build/activations_polycom.py, as exported models have it. What else
is known of them stands in build/ops.json. `npm run ops` writes both."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, Callable, Mapping

from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
OPS = Path(os.environ.get("POLYCOM_OPS", ROOT / "build" / "ops.json"))
if not OPS.exists():
    sys.exit(f"there is no {OPS}: make it by npm run ops, where Node is, and bring the folder along")
sys.path.insert(1, str(OPS.parent))

import activations_polycom


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
    parameters: tuple[Mapping[str, Any], ...] = ()
    """What is learned, as the table describes it: name, shape, first."""

    @property
    def name(self) -> str:
        """What rows and the command line call it."""
        return self.formula.__name__


def activation(row: Mapping[str, Any], name: str, label: str, given: Mapping[str, float] = {}) -> Activation:
    """A row of the table at its defaults, or with other scalars, under a name."""
    formula = activations_polycom.ACTIVATIONS[row["name"]].formula
    scalars = {scalar["name"]: given.get(scalar["name"], scalar["default"]) for scalar in row["scalars"]}
    # A function with a code object of its own: torch.compile keeps what it compiled by that, and only so many.
    of_its_own = FunctionType(formula.__code__.replace(co_name=name), formula.__globals__, name)
    of_its_own.__kwdefaults__ = {scalar["name"]: option(scalar, scalars[scalar["name"]]) for scalar in row["scalars"]}
    return Activation(of_its_own, label, row["name"], tuple(row["inputs"]), scalars, tuple(row["parameters"]))


def option(scalar: Mapping[str, Any], value: float) -> Any:
    """A scalar as the formula takes it: a choice by its text."""
    return scalar["choices"][int(value)] if "choices" in scalar else value


def read_table() -> tuple[Activation, ...]:
    """Every activation of the table, GELU both exact and by tanh."""
    rows = json.loads(OPS.read_text(encoding="utf-8"))
    made = []
    for row in rows:
        if row["kind"] == "op":
            continue
        if row["name"] != "gelu":
            made.append(activation(row, row["name"], row["label"]))
            continue
        made.append(activation(row, "gelu", "GELU (erf)"))
        made.append(activation(row, "gelu_tanh", "GELU (tanh)", {"approximate": 1}))
    return tuple(made)


ACTIVATIONS = read_table()
EPSILON = next(activation for activation in ACTIVATIONS if activation.name == "polynorm").scalars["epsilon"]
"""PolyNorm's."""
