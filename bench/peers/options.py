"""Types of command line options that several scripts have."""

from __future__ import annotations

import argparse
from typing import Callable, Collection


def listed(names: Collection[str]) -> Callable[[str], list[str]]:
    """Names separated by commas, each one of `names`."""

    def parse(text: str) -> list[str]:
        for name in text.split(","):
            if name not in names:
                raise argparse.ArgumentTypeError(f"'{name}'; expected some of {', '.join(names)}")
        return text.split(",")

    return parse
