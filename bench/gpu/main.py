#!/usr/bin/env python3
"""Everything that a machine with a GPU can say of this package, in one command: builds the library, checks it, runs the
sanitizers, times it beside streams, CUB and PyTorch; and where Node and the package's modules were brought along,
measures the package and tests its ops inside TensorFlow on this GPU. It says beforehand what it will do, and how long
that takes at most. A part that fails does not keep the next from running; the last lines sum up.

    python3 bench/gpu/main.py --out results
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TESTS = ROOT / "test" / "gpu"
sys.path[1:1] = [str(HERE.parent / "peers"), str(TESTS)]

from build import FOLDER
from document import current_commit, timestamp, write_json
from driver import gpu_problem
from limited import run_limited, text_of


@dataclass(frozen=True)
class Part:
    """A step, and the seconds it may take."""

    seconds: float
    about: str
    command: Callable[[argparse.Namespace, float], Sequence[str]]
    missing: Callable[[argparse.Namespace], str | None] = lambda options: None
    """What it needs beyond the library and is not here, if anything is: then it is left out."""


def build_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    return [sys.executable, "-B", str(HERE / "build.py"), "--how", options.how]


def check_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    # Ends by itself before it is killed, so that what it found is written.
    limits = ["--seconds", f"{0.8 * seconds:.0f}", "--json", str(options.out / "check.json")]
    return script(TESTS / "check.py", options, ["--device", options.device, *limits, *commit_of(options), *options.check])


def sanitize_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    return script(TESTS / "sanitize.py", options, ["--seconds", f"{0.95 * seconds:.0f}"])


def roofs_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    limits = ["--seconds", f"{0.7 * seconds:.0f}", "--json", str(options.out / "roofs.json")]
    rest = ["--device", options.device, *limits, *commit_of(options), *options.roofs]
    return script(HERE / "roofs.py", options, rest)


def no_gpu_kernels(options: argparse.Namespace) -> str | None:
    return "there are no kernels for a GPU to time" if options.device == "cpu" else None


def timings_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    limits = ["--seconds", f"{0.8 * seconds:.0f}", "--json", str(options.out / "timings.json")]
    given = options.timings or ["--grid", "quick"]
    rest = ["--device", options.device, *limits, *commit_of(options), *given]
    return script(HERE.parent / "peers" / "pytorch_gpu.py", options, rest)


def activations_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    given = ["--backend", "native", "--device", "cuda", "--quick", "--json", str(options.out.resolve() / "activations.json")]
    return node(options, ["dist/cli/main.js", "bench", "activations", *given, *options.activations])


def tensorflow_command(options: argparse.Namespace, seconds: float) -> Sequence[str]:
    return node(options, ["node_modules/vitest/vitest.mjs", "run", *map(str, device_tests())])


def node(options: argparse.Namespace, arguments: Sequence[str]) -> list[str]:
    """Node, in the package's folder, with the library that was built."""
    environment = [f"POLYCOM_LIBRARY={options.library.resolve()}", "POLYCOM_TEST_GPU=1"]
    return ["env", f"--chdir={ROOT}", *environment, shutil.which("node") or "node", *arguments]


def device_tests() -> list[Path]:
    found = [*(ROOT / "test" / "tensorflow").glob("gpu*.test.ts"), ROOT / "test" / "bench" / "gpu.test.ts"]
    return sorted(path for path in found if path.exists())


def no_package(options: argparse.Namespace) -> str | None:
    if shutil.which("node") is None:
        return "there is no node"
    for path in ("dist/cli/main.js", "node_modules/koffi"):
        if not (ROOT / path).exists():
            return f"there is no {path}: npm install and npm run build make it"
    if options.library is not None and not (options.library.parent / "polycom.node").exists():
        return f"there is no polycom.node beside {options.library.name}: npm run gpu:check builds it"
    return None


def no_tensorflow(options: argparse.Namespace) -> str | None:
    missing = no_package(options)
    if missing is not None:
        return missing
    if not (ROOT / "node_modules" / "vitest").exists():
        return "there is no node_modules/vitest: npm install brings it"
    return None if device_tests() else "there are no tests of TensorFlow on a GPU"


PARTS: dict[str, Part] = {
    "build": Part(400, "the library for this GPU", build_command),
    "check": Part(180, "every kernel against the CPU's", check_command),
    "sanitize": Part(110, "a few of them under compute-sanitizer", sanitize_command),
    "roofs": Part(150, "beside streams, CUB and the budget, width by width", roofs_command, no_gpu_kernels),
    "timings": Part(240, "beside PyTorch, where that is installed", timings_command),
    "activations": Part(300, "the package's benchmark on this GPU", activations_command, no_package),
    "tensorflow": Part(420, "the ops inside TensorFlow on this GPU", tensorflow_command, no_tensorflow),
}
DONE = ("passed", "left out")


def main() -> int:
    options = parse_options()
    problem = gpu_problem() if options.device == "cuda" else None
    if problem is not None:
        print(f"gpu: skipped: {problem}")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    print("\n".join(plan_lines(options)), flush=True)
    outcomes: dict[str, dict[str, object]] = {}
    for name, part in PARTS.items():
        if name in options.parts:
            outcomes[name] = run_part(name, part, options)
    write_json(str(options.out / "summary.json"), {"date": timestamp(), "parts": outcomes})
    for name, outcome in outcomes.items():
        print(f"gpu: {name}: {outcome['outcome']} in {outcome['seconds']} s")
    documents = [name for name in ("roofs.json", "timings.json", "activations.json") if (options.out / name).exists()]
    if documents:
        print(f"gpu: a report of it: npx polycom bench report {options.out} report.html")
    return 0 if all(str(outcome["outcome"]).startswith(DONE) for outcome in outcomes.values()) else 1


def plan_lines(options: argparse.Namespace) -> list[str]:
    """What will be done, and how long each part may take."""
    chosen = {name: part for name, part in PARTS.items() if name in options.parts}
    limits = {name: options.seconds.get(name, part.seconds) for name, part in chosen.items()}
    lines = [f"gpu: {name}: {part.about}, at most {limits[name]:g} s" for name, part in chosen.items()]
    minutes = max(1, round(sum(limits.values()) / 60))
    return [*lines, f"gpu: at most {minutes} minutes in all, into {options.out}"]


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="main.py", description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER / "results", help="the folder for results and logs")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--library", type=Path, help="one that is built already; there is no build then")
    parser.add_argument("--how", choices=["auto", "cmake", "plain"], default="auto", help="how to build")
    parser.add_argument("--device", choices=["cuda", "emulated", "cpu"], default="cuda")
    parser.add_argument("--seconds", type=json.loads, default={}, help='limits: {"check": 60}')
    parser.add_argument("--check", type=str.split, default=[], help="more options of check.py, as one text")
    parser.add_argument("--roofs", type=str.split, default=[], help="those of roofs.py, such as --grid widths")
    parser.add_argument("--timings", type=str.split, default=[], help="those of pytorch_gpu.py; --grid quick")
    parser.add_argument("--activations", type=str.split, default=[], help="those of polycom bench activations")
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
    missing = part.missing(options)
    if missing is not None:
        print(f"gpu: {name}: left out: {missing}", flush=True)
        return {"outcome": f"left out: {missing}", "seconds": 0.0}
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


def script(path: Path, options: argparse.Namespace, rest: Sequence[str]) -> list[str]:
    return [sys.executable, "-B", str(path), "--library", str(options.library), *rest]


def commit_of(options: argparse.Namespace) -> list[str]:
    commit = options.commit or current_commit()
    return [] if commit is None else ["--commit", commit]


if __name__ == "__main__":
    sys.exit(main())
