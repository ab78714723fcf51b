#!/usr/bin/env python3
"""Times this package's kernels on this machine's GPU beside a copy, beside the fastest streams with the same reads and
writes, and beside cub::DeviceTransform over the same formulas, where the toolkit has it; the shares of a stream that
the budget predicts stand beside the measured ones. Every contender is checked against the CPU's kernels first: a wrong
one is reported as failed, never timed. Needs Python, the driver and, for CUB, nvcc.

    python3 bench/gpu/roofs.py --library build/gpu/cmake/libpolycom.so --json results/roofs.json
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Sequence

HERE = Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / "peers"), str(HERE.parents[1] / "test" / "gpu")]

import build
import polycom
from budget import predictions
from devices import Device, open_device
from document import PASSES, aligned, document, write_json
from driver import gpu_problem
from gpu_grid import rows_for
from gpu_summary import task_of, time_of
from matrices import PERIOD, Matrices
from options import listed
from roof_contenders import DIRECTIONS, KERNELS, Contender, Contenders, Kernel
from sampling import Row, first_line, significant, timed
from transform import DTYPES, Transform
from vectors import ITEM_BYTES

NAMES = [kernel.name for kernel in KERNELS]
BUDGET_COLS = 4096
"""Those of PolyNorm's kernels that the budget counts; the others do not see rows."""
WIDTHS = (8, 32, 64, 128, 512, 1536, 2048, 8192, 16384, 65536, 262144)
"""As the CPU's benchmark has them (src/bench/shapes.ts): what a row costs by itself, and where it is read twice."""
SWEPT = ("polynorm", "polynormglu", "polyrelu")
"""Ops whose rows cost something, and one to which a width is all the same."""
COLD = 4
"""How many times the L2 cache the matrices must hold that launches take in turns."""
MOST_SETS = 64
LAUNCHES = {"cuda": 10, "emulated": 1}
ROUNDS = {"cuda": 7, "emulated": 1}
YARDSTICKS = ("copy", "stream")
SETTING = (
    "device time: the median of graphs whose launches take sets of matrices in turns; predicted: the share of a stream "
    "that the counted instructions leave a kernel, by the rates of the GPU's data sheet (bench/results/budget.txt)"
)


class Work(NamedTuple):
    """A shape and dtype, and what is measured at it."""

    dtype: str
    rows: int
    cols: int
    kernels: Sequence[Kernel]

    def __str__(self) -> str:
        return f"{self.rows}x{self.cols} {self.dtype}"


def main() -> int:
    options = parse_options()
    problem = gpu_problem() if options.device == "cuda" else None
    if problem is not None:
        print(f"roofs: skipped: {problem}")
        return 0
    library = polycom.Library(options.library)
    device = open_device(library, options.device)
    notes: list[str] = []
    transform = find_transform(options, notes)
    rows: list[Row] = []
    for measured in measure_all(library, device, transform, options, notes):
        rows += measured
        if options.json is not None:
            write_json(options.json, document_of(rows, library, device, options, notes))
    print(device.name)
    print(table(rows))
    for note in notes:
        print(f"note: {note}")
    return 0 if all(row["ok"] for row in rows if row["variant"] == "fused") else 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="roofs.py", description=__doc__)
    parser.add_argument("--library", required=True, help="libpolycom, with kernels for this GPU")
    parser.add_argument("--device", choices=["cuda", "emulated"], default="cuda")
    parser.add_argument("--grid", choices=["kernels", "widths", "all"], default="all")
    parser.add_argument("--ops", type=listed(NAMES), default=NAMES, help=f"only some of {','.join(NAMES)}")
    parser.add_argument("--dtype", type=listed(DTYPES), default=list(DTYPES), help=f"some of {','.join(DTYPES)}")
    parser.add_argument("--widths", type=lambda text: [int(one) for one in text.split(",")], default=WIDTHS)
    parser.add_argument("--transform", metavar="FILE", help="transform.cu, compiled already; none: leave CUB out")
    parser.add_argument("--seconds", type=float, default=540, help="after which nothing more is begun")
    parser.add_argument("--json", metavar="FILE", help="write the document there, after every shape")
    parser.add_argument("--commit", help="that the library was built from, where git cannot say")
    return parser.parse_args()


def find_transform(options: argparse.Namespace, notes: list[str]) -> Transform | None:
    """CUB's transforms, compiled where they are not yet; or none, and why."""
    try:
        if options.transform == "none":
            return None
        if options.transform is not None:
            return Transform(options.transform)
        if options.device == "emulated":
            notes.append("left out: cub::DeviceTransform: the emulator has none unless --transform names it")
            return None
        return Transform(str(build.build_transform(build.find_tools(), build.FOLDER)))
    except (build.BuildError, polycom.PolycomError) as error:
        said = str(error).splitlines()
        reason = next((line for line in said if "error" in line), said[0])
        notes.append(f"left out: cub::DeviceTransform: {reason.replace(f'{build.ROOT}/', '')}")
        return None


def works_of(options: argparse.Namespace) -> list[Work]:
    kernels = [kernel for kernel in KERNELS if kernel.name in options.ops]
    swept = [kernel for kernel in kernels if kernel.name in SWEPT]
    rows = rows_for if options.device == "cuda" else lambda cols: PERIOD
    works = []
    for dtype in options.dtype:
        if options.grid != "widths":
            works.append(Work(dtype, rows(BUDGET_COLS), BUDGET_COLS, kernels))
        if options.grid != "kernels":
            works += [Work(dtype, rows(cols), cols, swept) for cols in options.widths]
    return [work for work in works if work.kernels]


def measure_all(
    library: polycom.Library,
    device: Device,
    transform: Transform | None,
    options: argparse.Namespace,
    notes: list[str],
) -> Iterator[list[Row]]:
    """The rows of every shape."""
    deadline = time.monotonic() + options.seconds
    works = works_of(options)
    with library.queue("cpu") as cpu:
        for dtype in options.dtype:
            own = [work for work in works if work.dtype == dtype]
            if not own:
                continue
            elements, period = max(work.rows * work.cols for work in own), PERIOD * max(work.cols for work in own)
            # A copy, the least of the launches, touches two matrices a set.
            sets = max(2, min(MOST_SETS, -(-COLD * device.l2_bytes // (2 * elements * ITEM_BYTES[dtype]))))
            of = Matrices(device.queue, dtype, elements, sets)
            wide, stored = Matrices(cpu, "f32", period, 1, dtype), Matrices(cpu, dtype, period, 1)
            for work in own:
                if time.monotonic() > deadline:
                    notes.append(f"left out, as {options.seconds:g} seconds were over: {work}")
                    continue
                of.give(work.rows, work.cols)
                for kept in (wide, stored):
                    kept.give(PERIOD, work.cols)
                place = {"rows": work.rows, "cols": work.cols, "dtype": dtype}
                place |= {"device": device.kind, "backend": "native"}
                makers = Contenders(of, wide, stored, place, device.stream)
                yield predicted(related(measure(device, contenders_of(makers, work, transform), sets)), device)
                print(f"roofs: {work}", file=sys.stderr, flush=True)
            for matrices in (of, wide, stored):
                matrices.free()


def contenders_of(makers: Contenders, work: Work, transform: Transform | None) -> list[Contender]:
    traffics = {kernel.traffic(direction) for kernel in work.kernels for direction in DIRECTIONS}
    found = [makers.copy(), *(one for traffic in sorted(traffics) for one in makers.streams(traffic, transform))]
    for kernel in work.kernels:
        for direction in DIRECTIONS:
            found.append(makers.own(kernel, direction))
            if transform is not None and kernel.transformed and not kernel.sums(direction):
                found.append(makers.transformed(kernel, direction, transform))
    return found


def measure(device: Device, contenders: Sequence[Contender], sets: int) -> list[Row]:
    """Checks every contender, and times those that are right in turns, over the sets in turn."""
    launches = max(sets, LAUNCHES[device.kind])
    runs: dict[int, Callable[[], float]] = {}
    failures: dict[int, str] = {}
    for i, contender in enumerate(contenders):
        try:
            failure = contender.check()
            if failure is None:
                runs[i] = device.prepared(lambda launch=contender.launch: run_all(launch, launches, sets))
            else:
                failures[i] = failure
        except Exception as error:  # whatever a contender throws is its failure, not the benchmark's
            failures[i] = first_line(error)
    samples: dict[int, list[float]] = {i: [] for i in runs}
    for _ in range(ROUNDS[device.kind] + 1):
        for i, run in runs.items():
            samples[i].append(run() / launches)
    # The first round is a warm-up.
    return [
        {**one.identity, "timing": "device", "launches": launches, **timed(one.bytes, samples[i][1:]), "ok": True}
        if i in runs
        else {**one.identity, "timing": "device", "ok": False, "failure": failures[i]}
        for i, one in enumerate(contenders)
    ]


def run_all(launch: Callable[[int], object], launches: int, sets: int) -> None:
    for index in range(launches):
        launch(index % sets)


def related(rows: Sequence[Row]) -> list[Row]:
    """Keeps the fastest of each yardstick, and gives each other row its shares of them, as src/bench/ratios.ts does."""
    best: dict[str, Row] = {}
    by_traffic: dict[str, Row] = {}
    for row in rows:
        if row["ok"] and row["variant"] in YARDSTICKS:
            for kept, key in ((best, row["op"]), (by_traffic, row["traffic"])):
                kept[key] = min(row, kept.get(key, row), key=lambda one: one["ms_p50"])
    made = []
    for row in rows:
        if row["variant"] in YARDSTICKS:
            if not row["ok"] or best[row["op"]] is row:
                made.append(row)
            continue
        copy, stream = best.get("copy"), by_traffic.get(row["traffic"])
        shares = {}
        if row["ok"] and copy is not None:
            shares["of_copy"] = significant(row["gb_per_s"] / copy["gb_per_s"])
        if row["ok"] and stream is not None:
            shares["of_stream"] = significant(stream["ms_p50"] / row["ms_p50"])
        made.append({**row, **shares})
    return made


def predicted(rows: Sequence[Row], device: Device) -> list[Row]:
    """Beside the shares of a stream, those that the budget predicts, of the kernels that it counts."""
    known = predictions(device.name)
    made = []
    for row in rows:
        kernel = next((kernel for kernel in KERNELS if kernel.name == row["op"]), None)
        counted = kernel is not None and (row["cols"] == BUDGET_COLS or not kernel.rowwise)
        found = known.get((kernel.budget, row["pass"], row["dtype"])) if counted else None
        if found is not None and row["variant"] == "fused":
            row = {**row, "predicted": found.share, "bound": found.bound}
        made.append(row)
    return made


def document_of(
    rows: Sequence[Row],
    library: polycom.Library,
    device: Device,
    options: argparse.Namespace,
    notes: Sequence[str],
) -> dict[str, Any]:
    info = library.build_info()
    versions = {"polycom": info["version"], "python": platform.python_version()}
    command = f"python3 bench/gpu/roofs.py --library libpolycom.so --grid {options.grid}"
    command += "" if options.device == "cuda" else f" --device {options.device}"
    said = [*notes, SETTING]
    return document(rows, command, info["simd"], versions, said, options.commit, device.describe())


def table(rows: Sequence[Row]) -> str:
    """A line for each of ours, with CUB's time beside it; the yardsticks, and what failed, below."""
    by_key = {(task_of(row), row["variant"]): row for row in rows}
    lines = [["op", "pass", "shape", "ours", "of copy", "of stream", "predicted", "bound by", "CUB"]]
    for row in rows:
        if row["variant"] != "fused":
            continue
        peer = by_key.get((task_of(row), "peer:cub"))
        shares = [f"{row[name]:.1%}" if name in row else "" for name in ("of_copy", "of_stream", "predicted")]
        cells = [row["label"], PASSES[row["pass"]], place_of(row), time_of(row)]
        lines.append([*cells, *shares, row.get("bound", ""), time_of(peer)])
    yardsticks = [
        f"{row['label']}, {place_of(row)}: {row['gb_per_s']:g} GB/s, by {row['method']}"
        for row in rows
        if row["ok"] and row["variant"] in YARDSTICKS
    ]
    failed = [
        f"FAILED: {row['label']} {row['pass']} {place_of(row)}, {row['variant']}: {row['failure']}"
        for row in rows
        if not row["ok"]
    ]
    return "\n".join([*aligned(lines), *yardsticks, *failed])


def place_of(row: Row) -> str:
    return f"{row['rows']}x{row['cols']} {row['dtype']}"


if __name__ == "__main__":
    sys.exit(main())
