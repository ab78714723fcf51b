#!/usr/bin/env python3
"""Everything that a machine with a GPU can say of this package, in one command: builds the library, checks it, runs the
sanitizers, times it beside PyTorch. A part that fails does not keep the next from running; the last lines sum up.

    python3 bench/gpu/main.py --out results
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

HERE = Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "peers"))

from build import FOLDER
from document import current_commit, timestamp, write_json
from driver import gpu_problem
from limited import run_limited, text_of


@dataclass(frozen=True)
class Part:
    """A step, and the seconds it may take."""

    seconds: float
    command: Callable[[argparse.Namespace, float], Sequence[str]]


def build_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    return [sys.executable, "-B", str(HERE / "build.py"), "--how", options.how]


def check_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    # Ends by itself before it is killed, so that what it found is written.
    limits = ["--seconds", f"{0.8 * seconds:.0f}", "--json", str(options.out / "check.json")]
    return script("check.py", options, ["--device", options.device, *limits, *commit_of(options), *options.check])


def sanitize_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    return script("sanitize.py", options, ["--seconds", f"{0.95 * seconds:.0f}"])


def timings_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    limits = ["--seconds", f"{0.8 * seconds:.0f}", "--json", str(options.out / "timings.json")]
    given = options.timings or ["--grid", "quick"]
    rest = ["--device", options.device, *limits, *commit_of(options), *given]
    return script("../peers/pytorch_gpu.py", options, rest)


PARTS: dict[str, Part] = {
    "build": Part(400, build_command),
    "check": Part(180, check_command),
    "sanitize": Part(110, sanitize_command),
    "timings": Part(150, timings_command),
}


def main() -> int:
    options = parse_options()
    problem = gpu_problem() if options.device == "cuda" else None
    if problem is not None:
        print(f"gpu: skipped: {problem}")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    outcomes: dict[str, dict[str, object]] = {}
    for name, part in PARTS.items():
        if name in options.parts:
            outcomes[name] = run_part(name, part, options)
    write_json(str(options.out / "summary.json"), {"date": timestamp(), "parts": outcomes})
    for name, outcome in outcomes.items():
        print(f"gpu: {name}: {outcome['outcome']} in {outcome['seconds']} s")
    return 0 if all(outcome["outcome"] == "passed" for outcome in outcomes.values()) else 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="main.py", description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER / "results", help="the folder for results and logs")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--library", type=Path, help="one that is built already; there is no build then")
    parser.add_argument("--how", choices=["auto", "cmake", "plain"], default="auto", help="how to build")
    parser.add_argument("--device", choices=["cuda", "emulated", "cpu"], default="cuda")
    parser.add_argument("--seconds", type=json.loads, default={}, help='limits: {"check": 60}')
    parser.add_argument("--check", type=str.split, default=[], help="more options of check.py, as one text")
    parser.add_argument("--timings", type=str.split, default=[], help="those of pytorch_gpu.py; --grid quick")
    parser.add_argument("--commit", help="of these sources, where git cannot say")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"'{unknown[0]}'; expected some of {', '.join(PARTS)}")
    if options.library is not None:
        options.parts = [part for part in options.parts if part != "build"]
    elif "build" not in options.parts:
        built = [FOLDER / how / "libpolycom.so" for how in ("cmake", "plain")]
        options.library = next((library for library in built if library.exists()), None)
        if options.library is None:
            parser.error("there is no library yet: give --library, or have it built")
    return options


def run_part(name: str, part: Part, options: argparse.Namespace) -> dict[str, object]:
    """Runs a part within its limit, its output here and in a log."""
    if options.library is None and name != "build":
        return {"outcome": "not run: there is no library", "seconds": 0.0}
    print(f"gpu: {name}", flush=True)
    began = time.monotonic()
    seconds = options.seconds.get(name, part.seconds)
    log = options.out / f"{name}.log"
    status = run_limited(part.command(options, seconds), seconds, log)
    text = text_of(log)
    print(text, end="", flush=True)
    if name == "build" and status == 0:
        options.library = Path(text.splitlines()[-1])  # which is all that build.py prints, save complaints
    outcome = "out of time" if status is None else "passed" if status == 0 else f"failed (exit status {status})"
    return {"outcome": outcome, "seconds": round(time.monotonic() - began, 1)}


def script(name: str, options: argparse.Namespace, rest: Sequence[str]) -> list[str]:
    return [sys.executable, "-B", str((HERE / name).resolve()), "--library", str(options.library), *rest]


def commit_of(options: argparse.Namespace) -> list[str]:
    commit = options.commit or current_commit()
    return [] if commit is None else ["--commit", commit]


if __name__ == "__main__":
    sys.exit(main())
