"""The configuration of a transformer, under the names of src/model/config.ts."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Mapping, Optional

from activations import ACTIVATIONS, Activation

BY_NAME = {activation.name: activation for activation in ACTIVATIONS}


class ConfigError(ValueError):
    """A configuration that makes no model."""


@dataclass(frozen=True)
class Experts:
    """Of a mixture; `active` of `count` see a token."""

    count: int
    active: int
    coefficients: str
    """Whether the experts of a layer share their activation's coefficients (`layer`) or have their own (`expert`)."""
    normalised: bool
    """Whether the probabilities of the chosen experts are made to sum to 1."""
    balance_weight: float
    z_weight: float

    def __post_init__(self) -> None:
        require(1 <= self.active <= self.count, f"{self.active} active experts of {self.count}")
        require(self.coefficients in ("layer", "expert"), f"coefficients '{self.coefficients}'")


@dataclass(frozen=True)
class Config:
    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    hidden: int
    activation: str
    order: int
    context: int
    tied: bool
    qk_norm: bool
    rope_base: float
    norm_epsilon: float
    dropout: float
    deviation: float
    experts: Optional[Experts] = None
    activation_options: Optional[Mapping[str, Any]] = None

    def __post_init__(self) -> None:
        require(self.activation in BY_NAME, f"activation '{self.activation}'; expected one of {', '.join(BY_NAME)}")
        require(self.heads % self.kv_heads == 0, f"{self.heads} heads over {self.kv_heads} of keys and values")
        require(self.head_width % 2 == 0, f"odd head width {self.head_width}")

    @property
    def row(self) -> Activation:
        """The activation's row of the table."""
        return BY_NAME[self.activation]

    @property
    def scalars(self) -> dict[str, Any]:
        """The activation's options, but for the values that its weights begin with."""
        return {name: value for name, value in (self.activation_options or {}).items() if name != "init"}

    @property
    def gated(self) -> bool:
        return self.row.inputs[0] == "gate"

    @property
    def has_coefficients(self) -> bool:
        return len(self.row.parameters) > 0


def read_config(file: str) -> Config:
    """A JSON file with the fields of a ModelConfig."""
    return config_of(json.loads(Path(file).read_text(encoding="utf-8")))


def config_of(given: Mapping[str, Any]) -> Config:
    """The fields of a ModelConfig, such as `kvHeads`, as what the model here takes."""
    values = known_fields(Config, given)
    if values.get("experts") is not None:
        values["experts"] = Experts(**known_fields(Experts, values["experts"]))
    return Config(**values)


def known_fields(kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Given fields of a dataclass under this language's names. None may be missing, or unknown here."""
    values = {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name): value for name, value in given.items()}
    unknown = values.keys() - {field.name for field in fields(kind)}
    require(not unknown, f"unknown fields of {kind.__name__}: {', '.join(sorted(unknown))}")
    missing = {field.name for field in fields(kind) if field.default is MISSING} - values.keys()
    require(not missing, f"missing fields of {kind.__name__}: {', '.join(sorted(missing))}")
    return values


def require(condition: bool, problem: str) -> None:
    if not condition:
        raise ConfigError(problem)
