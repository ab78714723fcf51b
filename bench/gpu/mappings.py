"""The library's table of mappings, and lines to put before it (pc_mapping of native/include/polycom.h)."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int32, c_int64
from dataclasses import dataclass, replace
from typing import Any, Sequence

import polycom

PASSES = ("forward", "backward", "gated_forward", "gated_backward")
PATHS = ("warp", "block", "staged", "twice")
SLOT_BYTES = 16


class Line(ctypes.Structure):
    """pc_mapping."""

    _fields_ = [
        ("architecture", c_int32),
        ("pass_", c_int32),
        ("item", c_int32),
        ("path", c_int32),
        ("threads", c_int32),
        ("stages", c_int32),
        ("cluster", c_int32),
        ("slots", c_int64),
    ]


@dataclass(frozen=True)
class Mapping:
    """How the kernels take rows of up to so many slots of 16 bytes."""

    architecture: int
    pass_: str
    item: int
    path: str
    threads: int
    stages: int
    cluster: int
    slots: int

    def encoded(self) -> Line:
        numbers = (self.item, PATHS.index(self.path), self.threads, self.stages, self.cluster, self.slots)
        return Line(self.architecture, PASSES.index(self.pass_), *numbers)

    @classmethod
    def of(cls, line: Line) -> Mapping:
        rest = (line.threads, line.stages, line.cluster, line.slots)
        return cls(line.architecture, PASSES[line.pass_], line.item, PATHS[line.path], *rest)

    def up_to(self, slots: int) -> Mapping:
        """The same for rows of up to so many slots."""
        return replace(self, slots=slots)

    def as_json(self) -> dict[str, Any]:
        """As src/native/mapping.ts names its parts."""
        named = {"architecture": self.architecture, "pass": self.pass_, "item": self.item, "path": self.path}
        return {**named, "threads": self.threads, "stages": self.stages, "cluster": self.cluster, "slots": self.slots}

    def __str__(self) -> str:
        staged = f" x {self.cluster} blocks, {self.stages} stages" if self.path == "staged" else ""
        return f"{self.path} {self.threads}{staged}"


def find(library: polycom.Library, architecture: int, pass_: str, item: int, slots: int) -> Mapping:
    """The line that rows of so many slots have."""
    line = Line()
    function = library.function(
        "pc_mapping_find", c_int32, c_int32, c_int32, c_int64, POINTER(Line), POINTER(c_int64)
    )
    library.check(function(architecture, PASSES.index(pass_), item, slots, byref(line), None))
    return Mapping.of(line)


def put_before(library: polycom.Library, mappings: Sequence[Mapping]) -> None:
    """Puts lines before the table, in place of those that were put there before."""
    lines = (Line * max(1, len(mappings)))(*(mapping.encoded() for mapping in mappings))
    function = library.function("pc_mapping_replace", POINTER(Line), c_int32)
    library.check(function(lines, len(mappings)))


def candidates(architecture: int, pass_: str, item: int, slots: int) -> list[Mapping]:
    """What may be tried for rows of so many slots; the library knows which of them it can launch."""
    common = (architecture, pass_, item)
    found = [Mapping(*common, "warp", 128, 0, 1, slots), Mapping(*common, "twice", 512, 0, 1, slots)]
    most = 512 if "forward" in pass_ else 256
    found.append(Mapping(*common, "block", most, 0, 1, slots))
    for cluster in (1, 2, 4, 8) if architecture >= 90 else (1,):
        part = -(-slots // cluster)
        for threads in (64, 128, 256, 512):
            # From a slot a thread, so that none is idle, to 32: fewer threads are too few.
            if not threads <= max(64, part) <= 32 * threads:
                continue
            for stages in (1, 2, 3):
                found.append(Mapping(*common, "staged", threads, stages, cluster, slots))
    return found
