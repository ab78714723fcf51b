#!/usr/bin/env python3
"""Checks libpolycom's ops on a device against the CPU's, and much beside: see README.md of bench/gpu.

It needs Python and the library alone; with NumPy it is faster, and covers more. A line on standard output for each
failure, and exit status 1 if there is one.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator

sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "bench" / "peers"))

import against_cpu
import polycom
import vectors
from checks import problems_of
from document import current_commit, machine, timestamp, write_json
from driver import Driver, DriverError, gpu_problem
from grid import DTYPES, GRIDS, Grid, cases_of
from options import listed
from others import PASSES, SIZES, others
from ops import OPS
from situations import graph_problems, large_problems, queue_problems, situation_cases

LARGE = (262145, 8256)
"""Rows and columns: beyond 2^31 elements."""
SECTIONS = ("grid", "others", "queues", "graphs", "large")
MOST_LINES = 40
DEVICE_ERROR = 4
"""The status PC_DEVICE_ERROR."""


def main() -> int:
    options = parse_options()
    vectors.quiet()
    problem = gpu_problem() if options.device == "cuda" else None
    if problem is not None:
        print(f"gpu check: skipped: {problem}")
        return 0
    try:
        library = polycom.Library(options.library)
    except polycom.PolycomError as error:
        print(f"gpu check: {error}", file=sys.stderr)
        return 1
    report = Report(options, library)
    for section in options.sections:
        report.add(section, SECTION_RUNS[section](library, options))
    report.finish()
    return 1 if report.failures else 0


def parse_options() -> argparse.Namespace:
    names = [op.name for op in OPS]
    parser = argparse.ArgumentParser(prog="check.py", description=__doc__)
    parser.add_argument("--library", required=True, help="libpolycom.so")
    parser.add_argument("--device", choices=["cuda", "emulated", "cpu"], default="cuda", help=DEVICE_HELP)
    parser.add_argument("--grid", choices=list(GRIDS), help="by default full, or small where there is no NumPy")
    parser.add_argument("--ops", type=listed(names), default=names, help=f"some of {','.join(names)}")
    parser.add_argument(
        "--others", type=listed(PASSES), default=list(PASSES), help=f"kernels of others: some of {','.join(PASSES)}"
    )
    parser.add_argument("--dtype", type=listed(DTYPES), default=list(DTYPES), help=f"some of {','.join(DTYPES)}")
    parser.add_argument("--sections", type=listed(SECTIONS), default=list(SECTIONS), help=",".join(SECTIONS))
    parser.add_argument("--large", type=shape, default=LARGE, help="rows x columns; 0x0: none")
    parser.add_argument("--as-found", action="store_true", help="leave outputs and workspaces as allocated")
    parser.add_argument("--seconds", type=float, default=240, help="what is not checked by then is a failure")
    parser.add_argument("--json", metavar="FILE", help="write what was found there")
    parser.add_argument("--commit", help="that the library was built from, where git cannot say")
    options = parser.parse_args()
    name = options.grid or ("small" if vectors.numpy is None else "full")
    grid = GRIDS[name]
    options.size = name
    options.cases: Grid = replace(grid, ops=options.ops, dtypes=options.dtype)
    options.deadline = time.monotonic() + options.seconds
    return options


DEVICE_HELP = "emulated: a library that the tests compile the CUDA kernels into, for the CPU"


def shape(text: str) -> tuple[int, int]:
    try:
        rows, cols = map(int, text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"shape '{text}'; expected rows x columns") from None
    return rows, cols


Lines = Iterator["str | None"]
"""For each thing that was checked: nothing, or the lines of what is wrong with it."""


def check_grid(library: polycom.Library, options: argparse.Namespace) -> Lines:
    with library.queue(queue_device(options)) as queue, library.queue("cpu") as cpu:
        problems = lambda case: problems_of(queue, cpu, case, poison=not options.as_found)  # noqa: E731
        yield from check_each(cases_of(options.cases), problems, options)


def check_others(library: polycom.Library, options: argparse.Namespace) -> Lines:
    cases = (case for case in others(SIZES[options.size]) if case.name in options.others)
    with library.queue(queue_device(options)) as queue, library.queue("cpu") as cpu:
        problems = lambda case: against_cpu.problems_of(queue, cpu, case, poison=not options.as_found)  # noqa: E731
        yield from check_each(cases, problems, options)


def check_each(
    cases: Iterable[Any], problems: Callable[[Any], Iterable[str]], options: argparse.Namespace
) -> Lines:
    """The problems of each case, until time is over or the device fails."""
    for case in cases:
        if time.monotonic() > options.deadline:
            yield f"{case} and what follows: not checked: {options.seconds:g} seconds are over"
            return
        try:
            yield from problems(case)
        except polycom.PolycomError as error:
            yield f"{case}: {error}"
            if f"status {DEVICE_ERROR}" in str(error):
                return  # a device that has failed stays so until the process ends
        yield None


def check_queues(library: polycom.Library, options: argparse.Namespace) -> Lines:
    cases = list(situation_cases(options.cases))
    yield from queue_problems(library, queue_device(options), cases)
    yield from [None] * len(cases)


def check_graphs(library: polycom.Library, options: argparse.Namespace) -> Lines:
    cases = list(situation_cases(options.cases))
    if options.device != "cuda":
        yield "skipped: only CUDA's own streams can be captured"
        return
    yield from graph_problems(library, Driver(), cases)
    yield from [None] * len(cases)


def check_large(library: polycom.Library, options: argparse.Namespace) -> Lines:
    rows, cols = options.large
    if rows * cols == 0:
        yield "skipped: as asked"
        return
    if options.device != "cuda" and (rows, cols) == LARGE:
        yield "skipped: it takes a GPU's memory and speed"
        return
    with library.queue(queue_device(options)) as queue, library.queue("cpu") as cpu:
        yield from large_problems(queue, cpu, rows, cols)
    yield None


SECTION_RUNS: dict[str, Callable[[polycom.Library, argparse.Namespace], Lines]] = {
    "grid": check_grid,
    "others": check_others,
    "queues": check_queues,
    "graphs": check_graphs,
    "large": check_large,
}


def queue_device(options: argparse.Namespace) -> str:
    return "cpu" if options.device == "cpu" else "cuda"


class Report:
    """Counts what was checked, prints what is wrong, and writes both."""

    def __init__(self, options: argparse.Namespace, library: polycom.Library) -> None:
        self.options, self.info = options, library.build_info()
        self.counts: dict[str, Any] = {}
        self.failures: list[str] = []
        self.skipped: list[str] = []
        if vectors.numpy is None:
            self.skipped.append("most widths: there is no NumPy, and plain Python is slow")

    def add(self, section: str, lines: Lines) -> None:
        began, checked, before = time.monotonic(), 0, len(self.failures)
        try:
            for line in lines:
                if line is None:
                    checked += 1
                elif line.startswith("skipped: "):
                    self.skipped.append(f"{section}: {line.removeprefix('skipped: ')}")
                else:
                    self._fail(f"{section}: {line}")
        except (polycom.PolycomError, DriverError) as error:
            self._fail(f"{section}: {error}")
        seconds = round(time.monotonic() - began, 1)
        failed = len(self.failures) - before
        self.counts[section] = {"checked": checked, "failures": failed, "seconds": seconds}
        print(f"gpu check: {section}: {checked} checked, {failed} failures, {seconds} s", flush=True)

    def _fail(self, line: str) -> None:
        self.failures.append(line)
        if len(self.failures) <= MOST_LINES:
            print(f"FAILED {line}", flush=True)

    def finish(self) -> None:
        for line in self.skipped:
            print(f"gpu check: skipped: {line}")
        if len(self.failures) > MOST_LINES:
            print(f"gpu check: and {len(self.failures) - MOST_LINES} more failures")
        if self.options.json is None:
            return
        commit = self.options.commit or current_commit()
        write_json(
            self.options.json,
            {
                "schema": 1,
                "bench": "gpu-check",
                "date": timestamp(),
                **({} if commit is None else {"commit": commit}),
                "device": self.options.device,
                "machine": machine(),
                "library": self.info,
                "numpy": None if vectors.numpy is None else vectors.numpy.__version__,
                "sections": self.counts,
                "failures": self.failures,
                "skipped": self.skipped,
            },
        )


if __name__ == "__main__":
    sys.exit(main())
