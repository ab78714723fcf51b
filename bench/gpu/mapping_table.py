"""Rewrites an architecture's lines in native/activations/cuda/mappings.h."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Sequence

from mappings import Mapping

TABLE = Path(__file__).resolve().parents[2] / "native" / "activations" / "cuda" / "mappings.h"
BEGIN, END = "constexpr pc_mapping mappings[] = {\n", "};\n"


def rewrite(architecture: int, lines: Sequence[Mapping], comment: str, file: Path = TABLE) -> None:
    """Puts `lines` in place of those that the table has for the architecture; or, where it has none, before those of
    older ones."""
    text = file.read_text(encoding="utf-8")
    begin = text.index(BEGIN) + len(BEGIN)
    end = text.index(END, begin)
    sections = text[begin:end].strip("\n").split("\n\n")
    kept = [section for section in sections if architecture_of(section) != architecture]
    newer = sum(architecture_of(section) > architecture for section in kept)
    kept.insert(newer, "\n".join([f"    // {comment}", *map(text_of, lines)]))
    file.write_text(text[:begin] + "\n\n".join(kept) + "\n" + text[end:], encoding="utf-8")


def architecture_of(section: str) -> int:
    found = re.search(r"^ *\{(\d+),", section, re.MULTILINE)
    if found is None:
        raise ValueError(f"no mapping in this section of the table:\n{section}")
    return int(found[1])


def text_of(line: Mapping) -> str:
    """A line as the table has it."""
    numbers = f"{line.threads}, {line.stages}, {line.cluster}, {line.slots}"
    return f"    {{{line.architecture}, {line.pass_}, {line.item}, PC_PATH_{line.path.upper()}, {numbers}}},"
