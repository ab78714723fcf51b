"""Runs a program, and all that it has started, within a time."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Sequence


def run_limited(command: Sequence[str], seconds: float, log: Path) -> int | None:
    """Its exit status, or None where it had to be ended. What it prints goes into a file."""
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # A session of its own, so that this ends nothing else; where it has ended itself, nothing is left.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def text_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
