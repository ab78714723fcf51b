#!/usr/bin/env python3
"""Measures PyTorch on the CPU, eager and compiled, and oneDNN's element-wise primitives, where its wheel is installed,
beside this package's kernels and a copy, in one process.

Every contender is checked against f64 first: a wrong one is reported as failed, never timed, and makes the exit
status 1. Without PyTorch it says so, and ends with status 0.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
from typing import Any, Callable, Sequence

from skip import skip_without_torch

skip_without_torch("peers")

import torch

import onednn
import polycom
from activations import ACTIVATIONS, Activation
from cases import FUSED_BOUND, PEER_BOUNDS, Case, Data, Shape, disagreement
from document import cache_bytes, document, format_table, relate, write_json
from memory import keep_freed_memory
from options import listed
from sampling import Contender, Effort, Row, first_line, measure
from tensors import view

EAGER, COMPILED = "peer:pytorch-eager", "peer:pytorch-compiled"
COPY_METHODS = {"memcpy": 1, "streaming stores": 2}
NAMES = [activation.name for activation in ACTIVATIONS]


def main() -> int:
    options = parse_options()
    try:
        library = polycom.Library(options.library)
        info = library.build_info()
        threads = options.threads or info["cpus"]
        queue = library.queue("cpu", threads=threads)
    except polycom.PolycomError as error:
        print(f"peers: {error}", file=sys.stderr)
        return 1
    torch.set_num_threads(threads)
    notes = [f"threads of each contender: {threads}", *memory_notes(options.malloc)]
    variants = [COMPILED, EAGER]
    problem = compiler_problem()
    if problem is not None:
        variants.remove(COMPILED)
        notes.append(f"left out: PyTorch compiled, as torch.compile does not work here: {problem}")
    chosen = [activation for activation in ACTIVATIONS if activation.name in options.ops]
    versions = {"polycom": info["version"], "python": platform.python_version(), "pytorch": torch.__version__}
    try:
        eltwise = onednn.OneDnn(threads)
        versions["onednn"] = eltwise.version()
    except onednn.Missing as error:
        eltwise = None
        notes.append(f"left out: oneDNN: {error}")
    rows: list[Row] = []
    with queue:
        for dtype in options.dtype:
            beside = eltwise if eltwise is not None and eltwise.stores(dtype) else None
            if eltwise is not beside:
                notes.append(f"left out: oneDNN in {dtype}, which it does not compute in on this CPU")
            for shape in options.shapes:
                rows += measure_shape(queue, beside, chosen, variants, Data(shape, dtype), options.seconds)
    result = document(rows, command_of(options), info["simd"], versions, notes)
    print(f"{result['machine']['cpu']}, PyTorch {torch.__version__}; behind a peer's time, how many times ours it is")
    print(format_table(rows))
    print("".join(f"\nnote: {note}" for note in notes))
    if options.json is not None:
        write_json(options.json, result)
    return 0 if all(row["ok"] for row in rows) else 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pytorch_cpu.py", description=__doc__)
    parser.add_argument("--library", required=True, help="libpolycom.so")
    parser.add_argument("--json", metavar="FILE", help="write the document there")
    parser.add_argument("--shapes", type=parse_shapes, default="2048x5632,4096x8256", help="rows x columns")
    parser.add_argument("--dtype", type=listed(PEER_BOUNDS), default="f32", help=f"some of {','.join(PEER_BOUNDS)}")
    parser.add_argument("--ops", type=listed(NAMES), default=",".join(NAMES), help=f"some of {','.join(NAMES)}")
    parser.add_argument("--seconds", type=float, default=60, help="for each shape and dtype, beyond the first rounds")
    parser.add_argument("--threads", type=int, default=0, help="of each contender; 0: every CPU")
    parser.add_argument(
        "--malloc",
        choices=["reuse", "default"],
        default="reuse",
        help="whether malloc keeps freed memory, which spares PyTorch page faults, or is as the system sets it",
    )
    return parser.parse_args()


def parse_shapes(text: str) -> list[Shape]:
    shapes = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*[x×]\s*(\d+)\s*", part)
        if found is None or int(found[1]) * int(found[2]) not in range(1, 2**31 + 1):
            raise argparse.ArgumentTypeError(f"shape '{part}'; expected rows x columns, at most 2147483648 elements")
        shapes.append(Shape(int(found[1]), int(found[2])))
    return shapes


def command_of(options: argparse.Namespace) -> str:
    """What to type to measure this again."""
    parts = [f"--shapes {','.join(map(str, options.shapes))}", f"--dtype {','.join(options.dtype)}"]
    if options.ops != NAMES:
        parts.append(f"--ops {','.join(options.ops)}")
    if options.threads:
        parts.append(f"--threads {options.threads}")
    if options.malloc != "reuse":
        parts.append(f"--malloc {options.malloc}")
    return " ".join(["npm run bench:peers --", *parts, f"--seconds {options.seconds:g}"])


def memory_notes(malloc: str) -> list[str]:
    """Sets malloc as asked, and says how PyTorch gets its memory."""
    ours = "ours writes outputs that exist"
    if malloc == "reuse" and keep_freed_memory():
        return [f"memory: PyTorch allocates its outputs, from a malloc that reuses what was freed; {ours}"]
    return [f"memory: PyTorch allocates its outputs, from the system's malloc as it is; {ours}"]


def compiler_problem() -> str | None:
    """Why torch.compile does not work here, if it does not: it needs a C++ compiler."""
    try:
        torch.compile(torch.nn.functional.silu, fullgraph=True)(torch.ones(64))
    except Exception as error:  # of whichever of its many parts
        return first_line(error)
    return None


def measure_shape(
    queue: polycom.Queue,
    eltwise: onednn.OneDnn | None,
    chosen: Sequence[Activation],
    variants: Sequence[str],
    data: Data,
    seconds: float,
) -> list[Row]:
    """All contenders of a shape and dtype, in turns."""
    torch.compiler.reset()
    contenders = copy_contenders(queue, data)
    for activation in chosen:
        case = Case(activation, data)
        for direction in ("forward", "forward_backward"):
            contenders.append(own_contender(queue, case, direction))
            contenders += [peer_contender(case, direction, variant) for variant in variants]
            if eltwise is not None and activation.name in onednn.ALGORITHMS:
                contenders.append(onednn_contender(eltwise, case, direction))
    group = f"{data.shape} {data.dtype}"
    print(f"peers: measuring {group}", file=sys.stderr)
    rows = measure(contenders, Effort(5, 80, seconds), lambda step: show_step(f"{group}: {step}"))
    show_step("")
    return relate(rows, cache_bytes())


def show_step(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:79]}", end="", file=sys.stderr, flush=True)


def peer_contender(case: Case, direction: str, variant: str) -> Contender:
    """PyTorch, as its users call it: it allocates what it returns."""
    formula = case.activation.formula
    if variant == COMPILED:
        formula = torch.compile(formula, dynamic=False, fullgraph=True)
    inputs = case.inputs
    leaves = [tensor.detach().requires_grad_() for tensor in inputs]

    def forward() -> Sequence[torch.Tensor]:
        with torch.no_grad():
            return (formula(*inputs),)

    def forward_backward() -> Sequence[torch.Tensor]:
        return torch.autograd.grad(formula(*leaves), leaves, case.dy)

    run = forward if direction == "forward" else forward_backward

    def check() -> str | None:
        expected = [case.y] if direction == "forward" else case.gradients
        return disagreement(run(), expected, PEER_BOUNDS[case.data.dtype])

    return Contender(identity(case, direction, "pytorch", variant), case.bytes(direction), check, run)


def onednn_contender(eltwise: onednn.OneDnn, case: Case, direction: str) -> Contender:
    """oneDNN's primitives, into the outputs that ours writes: forward, or forward and then backward."""
    name, data = case.activation.name, case.data
    runs: list[Callable[[], None]] = []

    def run() -> None:
        for each in runs:
            each()

    def check() -> str | None:
        expected = [case.y] if direction == "forward" else [case.y, *case.gradients]
        outputs = [data.output(i, wanted).fill_(float("nan")) for i, wanted in enumerate(expected)]
        x, y = view(case.inputs[0]), view(outputs[0])
        runs.append(eltwise.forward(name, x, y))
        if direction != "forward":
            runs.append(eltwise.backward(name, x, view(case.dy), view(outputs[1])))
        run()
        return disagreement(outputs, expected, PEER_BOUNDS[data.dtype])

    return Contender(identity(case, direction, "native", onednn.VARIANT), case.bytes(direction), check, run)


def own_contender(queue: polycom.Queue, case: Case, direction: str) -> Contender:
    """This package's kernels, into outputs that exist: forward, or forward and then backward."""
    activation, data = case.activation, case.data
    calls: list[polycom.Call] = []

    def prepare(native: str, inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]) -> None:
        for output in outputs:
            output.fill_(float("nan"))
        scalars = list(activation.scalars.values())
        calls.append(queue.prepare(native, [*map(view, inputs)], [*map(view, outputs)], scalars))

    def run() -> None:
        for call in calls:
            call.run()

    def check() -> str | None:
        expected = [case.y] if direction == "forward" else [case.y, *case.gradients]
        outputs = [data.output(i, wanted) for i, wanted in enumerate(expected)]
        prepare(f"{activation.native}_forward", case.inputs, outputs[:1])
        if direction != "forward":
            prepare(f"{activation.native}_backward", [*case.inputs, case.dy], outputs[1:])
        run()
        return disagreement(outputs, expected, FUSED_BOUND)

    return Contender(identity(case, direction, "native", "fused"), case.bytes(direction), check, run)


def copy_contenders(queue: polycom.Queue, data: Data) -> list[Contender]:
    """The yardsticks: ours, each way of copying, and PyTorch's."""
    x, into = data.input("x"), torch.zeros_like(data.input("x"))
    runs: dict[str, Callable[[], object]] = {"torch copy_": lambda: into.copy_(x)}
    for method, scalar in COPY_METHODS.items():
        runs[method] = queue.prepare("copy", [view(x)], [view(into)], [scalar]).run
    return [copy_contender(data, method, run, x, into) for method, run in runs.items()]


def copy_contender(
    data: Data, method: str, run: Callable[[], object], x: torch.Tensor, into: torch.Tensor
) -> Contender:
    def check() -> str | None:
        into.fill_(float("nan"))
        run()
        return None if torch.equal(into, x) else "the copy differs from x"

    backend = "pytorch" if method.startswith("torch") else "native"
    row = {"op": "copy", "label": "copy", "pass": "copy", **place(data, backend), "variant": "copy", "method": method}
    return Contender(row, 2 * x.nbytes, check, run)


def identity(case: Case, direction: str, backend: str, variant: str) -> Row:
    activation = case.activation
    op = {"op": activation.name, "label": activation.label, "pass": direction}
    return {**op, **place(case.data, backend), "variant": variant}


def place(data: Data, backend: str) -> Row:
    shape = {"rows": data.shape.rows, "cols": data.shape.cols}
    return {**shape, "dtype": data.dtype, "device": "cpu", "backend": backend}


if __name__ == "__main__":
    sys.exit(main())
