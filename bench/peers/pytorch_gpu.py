#!/usr/bin/env python3
"""Measures this package's CUDA kernels beside PyTorch (eager and compiled), Liger-Kernel and a copy, in one process.

Device time is that of graphs whose launches go over more buffers than the L2 cache holds; forward + backward is timed
on the host's clock, as a user calls it. Every contender is checked against f64 first: a wrong one is reported as
failed, never timed. Exit status 1 if one of this package's own is wrong. Without PyTorch or a GPU it says so, and ends
with 0.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import time
from pathlib import Path
from typing import Callable, Sequence

from skip import skip_without_torch

skip_without_torch("gpu peers")

import torch
from torch._functorch import config as compiler_config
from torch.nn import functional as F

import liger
import polycom
from activations import ACTIVATIONS, Activation
from cases import TORCH_DTYPES, Case, Data, Shape
from document import document, relate, write_json
from gpu_contenders import COMPILERS, MIXED_ORDER, Contender, Contenders, is_option
from gpu_device import Device, Replay, device_problem, open_device
from gpu_grid import AUTOTUNED, GRIDS, LIGER, LIGER_IN_PLACE, PEERS, Work, slice_of
from gpu_summary import means, misses, table, with_target
from sampling import Row, failure_of, first_line, timed

DIRECTIONS = ("forward", "backward")
ROUNDS = 7
WALL_SECONDS = 0.02
"""That a sample of calls on the host's clock should take."""


def rmsnorm(x: torch.Tensor) -> torch.Tensor:
    return F.rms_norm(x, x.shape[-1:], eps=1e-6)


ANCHOR = Activation(rmsnorm, "RMSNorm", "", ("x",))
"""What others measure: this package has no such op without a weight."""
BY_NAME = {activation.name: activation for activation in (*ACTIVATIONS, ANCHOR)}


def main() -> int:
    options = parse_options()
    problem = device_problem(options.device)
    if problem is not None:
        print(f"gpu peers: skipped: {problem}")
        return 0
    try:
        library = polycom.Library(options.library)
        device = open_device(library, options.device)
        session = Session(options, library, device)
        session.run()
    except polycom.PolycomError as error:
        print(f"gpu peers: {error}", file=sys.stderr)
        return 1
    session.finish()
    return 0 if all(row["ok"] for row in session.rows if row["variant"] == "fused") else 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pytorch_gpu.py", description=__doc__)
    parser.add_argument("--library", required=True, help="libpolycom.so")
    parser.add_argument("--device", choices=["cuda", "emulated", "cpu"], default="cuda")
    parser.add_argument("--grid", choices=list(GRIDS), default="quick")
    parser.add_argument("--part", type=part, default=(1, 1), help="2/5: the second of five slices of the grid")
    parser.add_argument("--works", type=works, help="instead of a grid: polynorm:bf16:8144x8256,...")
    parser.add_argument("--peers", help=f"only some of {','.join(PEERS)}; none: no peer")
    parser.add_argument("--liger", metavar="PATH", help="a wheel of Liger-Kernel, or the folder that holds it")
    parser.add_argument("--seconds", type=float, default=540, help="after which nothing more is begun")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", metavar="FILE", help="write the document there, after every op and shape")
    parser.add_argument("--append", action="store_true", help="keep the rows that the file has, of other slices")
    parser.add_argument("--commit", help="that the library was built from, where git cannot say")
    return parser.parse_args()


def part(text: str) -> tuple[int, int]:
    try:
        which, of = map(int, text.split("/"))
    except ValueError:
        which, of = 0, 0
    if not 1 <= which <= of:
        raise argparse.ArgumentTypeError(f"part '{text}'; expected a slice such as 2/5")
    return which, of


def works(text: str) -> list[Work]:
    found = []
    for one in text.split(","):
        try:
            op, dtype, shape = one.split(":")
            rows, cols = map(int, shape.split("x"))
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{one}'; expected op:dtype:rows x cols") from None
        if op not in BY_NAME or dtype not in TORCH_DTYPES:
            known = f"{', '.join(BY_NAME)}; {', '.join(TORCH_DTYPES)}"
            raise argparse.ArgumentTypeError(f"'{one}'; expected an op and a dtype of {known}")
        found.append(Work(op, dtype, rows, cols))
    return found


class Session:
    """One run: its rows so far, and what is to be said beside them."""

    def __init__(self, options: argparse.Namespace, library: polycom.Library, device: Device) -> None:
        self.options, self.device = options, device
        self.info = library.build_info()
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.versions = {"polycom": self.info["version"], "python": platform.python_version()}
        self.versions["pytorch"] = torch.__version__
        self.kernels = self._load_liger()
        if torch.version.cuda is not None:
            self.versions["cuda"] = torch.version.cuda
        if options.append and options.json is not None and Path(options.json).exists():
            earlier = json.loads(Path(options.json).read_text(encoding="utf-8"))
            self.rows = list(earlier["results"])
            self.notes = [note for note in earlier["notes"] if not note.startswith(SUMMARY)]
        lacking = [option for option in MIXED_ORDER if not is_option(option)]
        if lacking:
            self.notes.append(f"PyTorch autotuned without {', '.join(lacking)}: this one has no such option")
        # autograd.grad keeps its graph here, which compiled backward passes refuse where they may reuse its memory.
        if hasattr(compiler_config, "donated_buffer"):
            compiler_config.donated_buffer = False

    def run(self) -> None:
        options = self.options
        chosen = options.works or slice_of(GRIDS[options.grid](), *options.part)
        deadline = time.monotonic() + options.seconds
        self.notes.append(f"before: {self.device.state()}")
        with self.device.current():
            self.notes.append(floor_note(self.device))
            for index, work in enumerate(chosen):
                if time.monotonic() > deadline:
                    left = ", ".join(map(str, chosen[index:]))
                    self.notes.append(f"left out, as {options.seconds:g} seconds were over: {left}")
                    break
                began = time.monotonic()
                self._add(self._measure(work))
                print(f"gpu peers: {work}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
                self.write()
        self.notes.append(f"after: {self.device.state()}")

    def finish(self) -> None:
        self.write()
        print(f"{self.device.describe()['gpu']}, PyTorch {torch.__version__}")
        print(table(self.rows))
        for line in (*self.notes, *summary(self.rows), *misses(self.rows)):
            print(f"note: {line}")

    def write(self) -> None:
        if self.options.json is None:
            return
        notes = [*self.notes, *summary(self.rows), *SETTING]
        result = document(
            self.rows,
            command_of(self.options),
            self.info["simd"],
            self.versions,
            list(dict.fromkeys(notes)),
            self.options.commit,
            self.device.describe(),
        )
        write_json(self.options.json, result)

    def _add(self, rows: Sequence[Row]) -> None:
        """A row that has been measured before gives way to the new one."""
        keys = {key_of(row) for row in rows}
        self.rows = [row for row in self.rows if key_of(row) not in keys] + list(rows)

    def _load_liger(self) -> dict[str, dict[str, liger.Kernels]]:
        try:
            liger.add_wheel(self.options.liger)
            kernels = {LIGER: liger.load(in_place=False), LIGER_IN_PLACE: liger.load(in_place=True)}
        except Exception as error:  # of whatever it imports
            self.notes.append(f"left out: Liger-Kernel: {first_line(error)}")
            return {}
        self.versions |= liger.versions()
        return kernels

    def _measure(self, work: Work) -> list[Row]:
        """All contenders of a work, in turns. What a work leaves in memory is gone before the next."""
        peers = self._peers(work)
        try:
            return measure_work(self.device, work, peers, self.kernels, self.options.rounds)
        except (RuntimeError, torch.OutOfMemoryError) as error:
            self.notes.append(f"left out: {work}: {first_line(error)}")
            return []
        finally:
            if any(peer in COMPILERS for peer in peers):
                torch.compiler.reset()
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _peers(self, work: Work) -> list[str]:
        allowed = PEERS if self.options.peers is None else self.options.peers.split(",")
        return [peer for peer in work.peers if peer in allowed]


SUMMARY = "summary: "
SETTING = (
    "device time: the median of graph replays over rotating buffers, for forward and backward; of_copy: algorithmic "
    "bytes over that, against the fastest copy of the same matrix in the same turns",
    "forward + backward: time on the host's clock with PyTorch's autograd; ours are calls prepared once, without it",
)


def summary(rows: Sequence[Row]) -> list[str]:
    return [f"{SUMMARY}{line}" for line in means(rows)]


def key_of(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in ("op", "pass", "rows", "cols", "dtype", "variant", "backend"))


def command_of(options: argparse.Namespace) -> str:
    """What to type to measure this again."""
    parts = ["python3 bench/peers/pytorch_gpu.py --library libpolycom.so"]
    if options.device != "cuda":
        parts.append(f"--device {options.device}")
    if options.works is not None:
        parts.append(f"--works {','.join(f'{w.op}:{w.dtype}:{w.rows}x{w.cols}' for w in options.works)}")
    else:
        parts.append(f"--grid {options.grid}")
        if options.part != (1, 1) and not options.append:
            parts.append(f"--part {options.part[0]}/{options.part[1]}")
    if options.peers is not None:
        parts.append(f"--peers {options.peers}")
    return " ".join(parts)


def floor_note(device: Device) -> str:
    """What a kernel costs that does nothing much: no small matrix can take less."""
    tiny = torch.zeros(1, device=device.torch_device)
    replay = device.capture(lambda _: tiny.add_(1), 200, 1)
    times = sorted(device.time(replay) for _ in range(ROUNDS))
    return f"floor: a kernel of one element takes {1e3 * times[len(times) // 2]:.2f} us in a graph ({replay.method})"


def measure_work(
    device: Device, work: Work, peers: Sequence[str], kernels: dict[str, dict[str, liger.Kernels]], rounds: int
) -> list[Row]:
    activation = BY_NAME[work.op]
    case = Case(activation, Data(Shape(work.rows, work.cols), work.dtype, device.torch_device))
    matrix = case.data.input(activation.inputs[0]).nbytes
    sets = device.sets_for(matrix)
    with device.queue() as queue:
        makers = Contenders(device, queue, case, sets)
        contenders = makers.copy()
        launches = {direction: device.launches_for(case.bytes(direction), sets) for direction in DIRECTIONS}
        for direction in DIRECTIONS:
            if activation.native:
                contenders.append(makers.own(direction))
            for peer in peers:
                if peer in (LIGER, LIGER_IN_PLACE):
                    of = kernels.get(peer, {}).get(activation.native)
                    if of is not None and not (direction == "forward" and peer == LIGER_IN_PLACE):
                        contenders.append(makers.liger(peer, of, direction, launches[direction]))
                else:
                    contenders.append(makers.peer(peer, direction))
        rows = time_on_device(device, contenders, sets, launches, rounds)
        large = device.is_cold(matrix, sets)
        related = [with_target(row) for row in relate(rows, 0 if large else sys.maxsize)]
        calls = time_calls(device, user_contenders(makers, related, peers, kernels), sets, rounds)
        del contenders, makers
        device.synchronize()
    return related + calls


def time_on_device(
    device: Device, contenders: Sequence[Contender], sets: int, launches: dict[str, int], rounds: int
) -> list[Row]:
    """Checks every contender, captures those that are right, and replays them in turns."""
    failures = [failure_of(contender) for contender in contenders]
    replays: dict[int, Replay] = {}
    for index, contender in enumerate(contenders):
        if failures[index] is None:
            contender.restore()
            count = launches.get(contender.identity["pass"], launches["forward"])
            replays[index] = device.capture(contender.launch, count, sets)
    samples: dict[int, list[float]] = {index: [] for index in replays}
    for _ in range(rounds + 1):
        for index, replay in replays.items():
            contenders[index].restore()
            samples[index].append(device.time(replay))
    rows = []
    for index, (contender, failure) in enumerate(zip(contenders, failures)):
        if failure is not None:
            rows.append({**contender.identity, "timing": "device", "ok": False, "failure": failure})
            continue
        # The first round is a warm-up.
        measured = timed(contender.bytes, samples[index][1:])
        replay = replays[index]
        how = {} if replay.method == "graph" or "method" in contender.identity else {"method": replay.method}
        about = {"timing": "device", "launches": replay.launches, **how}
        rows.append({**contender.identity, **about, **measured, "ok": True})
    return rows


def user_contenders(
    makers: Contenders, rows: Sequence[Row], peers: Sequence[str], kernels: dict[str, dict[str, liger.Kernels]]
) -> list[Contender]:
    """Those whose forward and backward were right."""
    activation = makers.case.activation

    def right(variant: str) -> bool:
        return all(
            any(row["variant"] == variant and row["pass"] == direction and row["ok"] for row in rows)
            for direction in DIRECTIONS
        )

    found = []
    if activation.native and right("fused"):
        forward, backward = (makers.own(direction).launch for direction in DIRECTIONS)
        found.append(makers.calls("fused", "native", lambda i: (forward(i), backward(i))))
    for peer in peers:
        if peer in (LIGER_IN_PLACE, AUTOTUNED) or not right(f"peer:{peer}"):
            continue
        formula = kernels[peer][activation.native].apply if peer == LIGER else makers.formula(peer)
        if formula is not None:
            found.append(makers.calls(f"peer:{peer}", "pytorch", makers.user_call(formula)))
    return found


def time_calls(device: Device, contenders: Sequence[Contender], sets: int, rounds: int) -> list[Row]:
    """On the host's clock: as many calls as are worth timing, then one wait for the device."""

    def sample(run: Callable[[int], object], calls: int) -> float:
        began = time.perf_counter()
        for index in range(calls):
            run(index % sets)
        device.synchronize()
        return (time.perf_counter() - began) / calls

    counts = []
    for contender in contenders:
        sample(contender.launch, 2)  # compiles what is compiled
        counts.append(max(1, min(200, int(WALL_SECONDS / max(1e-6, sample(contender.launch, 2))))))
    samples: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        for contender, count, taken in zip(contenders, counts, samples):
            taken.append(1e3 * sample(contender.launch, count))
    return [
        {**contender.identity, "timing": "wall", **timed(contender.bytes, taken), "ok": True}
        for contender, taken in zip(contenders, samples)
    ]


if __name__ == "__main__":
    sys.exit(main())
