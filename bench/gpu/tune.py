#!/usr/bin/env python3
"""Measures on this machine's GPU which mapping takes PolyNorm's rows fastest, width by width, and keeps what beats the
library's table where the package finds it: in the user's cache. Needs Python and the driver alone.

    python3 bench/gpu/tune.py --library build/gpu/plain/libpolycom.so [--table]
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import sys
from pathlib import Path
from typing import Any, Callable, NamedTuple, Sequence

HERE = Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / "peers"), str(HERE.parents[1] / "test" / "gpu")]

import mappings
import polycom
from devices import Device, open_device
from document import current_commit, timestamp, write_json
from driver import gpu_problem
from mappings import PASSES, SLOT_BYTES, Mapping
from mapping_table import rewrite

LADDER = (1, 2, 4, 8, 16, 32, 64, 96, 128, 160, 192, 256, 384, 512, 768, 1024, 1152, 1536, 2048, 3072, 4096, 8192, 16384, 32768)
"""Slots of 16 bytes; between two of them rows are taken as those of the larger."""
BETTER = 0.985
"""A mapping replaces the table's where it takes less than this share of the time: below that it is noise."""
ROUNDS = 5


class Times(NamedTuple):
    """What was measured of rows of one width."""

    table: Mapping
    table_ms: float
    best: Mapping
    best_ms: float
    bytes: int


class Size(NamedTuple):
    """How much is measured at once: bytes of a tensor, sets of tensors, and launches of a graph."""

    tensor_bytes: int
    sets: int
    launches: int


SIZES = {"cuda": Size(32 << 20, 3, 6), "emulated": Size(4096, 1, 1)}


class Rows:
    """Sets of tensors of one pass and width, and a call of the op on each."""

    def __init__(self, gpu: Device, pass_: str, item: int, slots: int) -> None:
        self.queue, self._addresses = gpu.queue, list[int]()
        size = SIZES[gpu.kind]
        cols = slots * SLOT_BYTES // item
        rows = max(1, size.tensor_bytes // (slots * SLOT_BYTES))
        dtype = "f32" if item == 4 else "bf16"
        gated, backward = pass_.startswith("gated"), pass_.endswith("backward")
        matrix = lambda fill: self._tensor(dtype, (rows, cols), rows * cols * item, fill)  # noqa: E731
        small = lambda shape: self._tensor("f32", shape, 64, True)  # noqa: E731
        name = f"polynorm{'glu' if gated else ''}_{'backward' if backward else 'forward'}"
        inputs, outputs = 1 + gated + backward, 1 + (gated and backward)
        self.bytes = (inputs + outputs) * rows * cols * item
        self.calls = []
        for _ in range(size.sets):
            given = [matrix(True) for _ in range(1 + gated)] + [small((3,)), small(())]
            given += [matrix(True)] if backward else []
            made = [matrix(False) for _ in range(outputs)]
            made += [small((3,)), small(())] if backward else []
            self.calls.append(self.queue.prepare(name, given, made, (1e-6, 0.0)))

    def free(self) -> None:
        self.queue.synchronize()
        while self._addresses:
            self.queue.free(self._addresses.pop())

    def _tensor(self, dtype: str, shape: Sequence[int], size: int, fill: bool) -> polycom.Tensor:
        address = self.queue.allocate(size)
        self._addresses.append(address)
        if fill:
            self._fill(address, size)
        return polycom.Tensor(address, dtype, tuple(shape), polycom.contiguous(shape))

    def _fill(self, address: int, size: int) -> None:
        """Ordinary values, for rows that leave float's range take another way: 0x3f3f is 0.75 in bf16 and f32."""
        image = ctypes.create_string_buffer(bytes([0x3F]) * size, size)
        self.queue.copy(address, ctypes.addressof(image), size)
        self.queue.synchronize()


def measure(library: polycom.Library, gpu: Device, pass_: str, item: int, slots: int) -> Times:
    """Times the table's mapping, and every other that can be launched, in turns."""
    rows = Rows(gpu, pass_, item, slots)
    _, sets, launches = SIZES[gpu.kind]

    def work() -> None:
        for i in range(launches):
            rows.calls[i % sets].run()

    try:
        mappings.put_before(library, [])
        table = mappings.find(library, gpu.architecture, pass_, item, slots)
        tried: dict[Mapping, Callable[[], float]] = {table: gpu.prepared(work)}
        for candidate in mappings.candidates(gpu.architecture, pass_, item, slots):
            mappings.put_before(library, [candidate])
            if mappings.find(library, gpu.architecture, pass_, item, slots) != candidate:
                continue  # this GPU cannot launch it
            tried[candidate] = gpu.prepared(work)
        times: dict[Mapping, list[float]] = {mapping: [] for mapping in tried}
        for _ in range(ROUNDS):
            for mapping, run in tried.items():
                times[mapping].append(run() / launches)
    finally:
        mappings.put_before(library, [])
        rows.free()
    medians = {mapping: statistics.median(of) for mapping, of in times.items()}
    best = min(medians, key=lambda mapping: medians[mapping])
    if medians[best] > BETTER * medians[table]:
        best = table
    return Times(table, medians[table], best, medians[best], rows.bytes)


def tune(library: polycom.Library, gpu: Device, ladder: Sequence[int]) -> tuple[list[Mapping], list[dict[str, Any]]]:
    """The lines of the best mappings, and what was measured of each."""
    lines: list[Mapping] = []
    measured = []
    for pass_ in PASSES:
        for item in (4, 2):
            of_pass: list[Mapping] = []
            for slots in ladder:
                times = measure(library, gpu, pass_, item, slots)
                chosen = Mapping(gpu.architecture, pass_, item, *shape_of(times.best), slots)
                if of_pass and shape_of(of_pass[-1]) == shape_of(chosen):
                    of_pass[-1] = chosen
                else:
                    of_pass.append(chosen)
                measured.append(record(pass_, item, slots, times))
                print(line_of(pass_, item, slots, times), flush=True)
            lines += of_pass
    return lines, measured


def shape_of(mapping: Mapping) -> tuple[str, int, int, int]:
    return mapping.path, mapping.threads, mapping.stages, mapping.cluster


def record(pass_: str, item: int, slots: int, times: Times) -> dict[str, Any]:
    rate = lambda ms: float(f"{times.bytes / ms / 1e6:.4g}")  # noqa: E731
    row = {"pass": pass_, "item": item, "slots": slots, "table": str(times.table), "best": str(times.best)}
    return {**row, "table_gb_per_s": rate(times.table_ms), "best_gb_per_s": rate(times.best_ms)}


def line_of(pass_: str, item: int, slots: int, times: Times) -> str:
    gain = times.table_ms / times.best_ms
    rate = times.bytes / times.best_ms / 1e6
    return f"{pass_:14} {item} bytes  {slots:6} slots  {rate:8.1f} GB/s  {gain:5.2f}x of the table's  {times.best}"


def cache_folder() -> Path:
    """As src/common/user-cache.ts has it."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("POLYCOM_CACHE") or Path(base) / "polycom")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tune.py", description=__doc__)
    parser.add_argument("--library", required=True, help="libpolycom, with kernels for this GPU")
    parser.add_argument("--device", choices=["cuda", "emulated"], default="cuda")
    parser.add_argument("--ladder", help="slots, comma separated, in place of the usual ones")
    parser.add_argument("--out", type=Path, help="the document; by default in the user's cache, where it is used")
    parser.add_argument("--table", action="store_true", help="rewrite this GPU's lines of native/activations/cuda/mappings.h too")
    options = parser.parse_args()
    problem = gpu_problem() if options.device == "cuda" else None
    if problem is not None:
        print(f"tune: skipped: {problem}")
        return 0
    library = polycom.Library(options.library)
    gpu = open_device(library, options.device)
    ladder = LADDER if options.ladder is None else tuple(map(int, options.ladder.split(",")))
    lines, measured = tune(library, gpu, ladder)
    out = options.out or cache_folder() / "mappings" / f"sm_{gpu.architecture}.json"
    commit = current_commit()
    write_json(
        str(out),
        {
            "schema": 1,
            "gpu": gpu.name,
            "date": timestamp(),
            **({} if commit is None else {"commit": commit}),
            "mappings": [line.as_json() for line in lines],
            "measured": measured,
        },
    )
    print(f"tune: {len(lines)} lines for {gpu.name} in {out}")
    if options.table:
        rewrite(gpu.architecture, lines, f"Measured on {gpu.name}, {timestamp()[:10]}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
