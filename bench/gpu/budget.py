"""What the committed budget of instructions and bytes (bench/results/budget.txt, from tools/budget.ts) lets a kernel
reach on a GPU: the share of its stream's rate, by the rates of the GPU's data sheet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Mapping, NamedTuple

FILE = Path(__file__).resolve().parents[1] / "results" / "budget.txt"
NAMES = {
    "H100": r"NVIDIA H100( 80GB HBM3| SXM5)?",
    "H200": r"NVIDIA H200",
    "B200": r"NVIDIA B200",
    "RTX 4090": r"NVIDIA GeForce RTX 4090",
}
"""What the budget calls a GPU, and what its driver does. Others of those names (PCIe, laptops) have other rates."""
LINE = re.compile(
    r"^\d+ +(?P<kernel>\S.*) (?P<pass>forward|backward) +(?P<dtype>bf16|f32) "
    r"+[\d.]+ +[\d.]+ +\d+ +\d+ +\d+ +(?P<bounds>\S.*)$"
)
BOUND = re.compile(r"(?P<by>memory|issue), (?P<other>memory|issue) +(?P<share>\d+) %")


class Prediction(NamedTuple):
    """The share of its stream's rate that a kernel can reach, and what bounds it."""

    share: float
    bound: str


def predictions(gpu: str, file: Path = FILE) -> Mapping[tuple[str, str, str], Prediction]:
    """By kernel, pass and dtype, on the GPU that the driver calls so; none where the budget has no such GPU."""
    name = next((name for name, pattern in NAMES.items() if re.fullmatch(pattern, gpu)), None)
    if name is None or not file.exists():
        return {}
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        columns = LINE.match(line)
        bounds = {} if columns is None else dict(part.split(": ") for part in columns["bounds"].split("; "))
        bound = BOUND.fullmatch(bounds.get(name, ""))
        if columns is not None and bound is not None:
            # Bound by memory, it takes as long as its stream; by issue, that takes only a share of its time.
            share = 1.0 if bound["by"] == "memory" else int(bound["share"]) / 100
            key = columns["kernel"].strip(), columns["pass"], columns["dtype"]
            found[key] = Prediction(share, re.sub(" +", " ", bounds[name]))
    return found
