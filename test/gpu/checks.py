"""Runs a case on a queue, and says all that is wrong with what came of it: beside the CPU's kernels, which the package's
tests hold against f64, and beside itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Iterator, NamedTuple, Sequence

import polycom
from grid import PACKED, PERIOD, Case
from guarded import Matrix, Workspace
from vectors import (
    ITEM_BYTES,
    Vector,
    decode,
    encode,
    element,
    every,
    finite,
    first_difference,
    kinds,
    norm,
    normal,
    only,
    rounded,
    vector,
)

BOUND = 1e-6
"""How far a result may lie from the right one, as a share of the norm of its absolute terms: src/op/compare.ts."""
CANCELLATION = 4.0
"""What the terms of a sum are taken to come to, as a multiple of the sum. On the emulator no output was off by more than
1e-6 of itself; this leaves another order of summing room."""
ROUNDING = 1.1
"""For 16-bit storage, beside that: how many times the error of rounding the right result."""
TINY = 2.0**-126
MEAN = 0.75
"""Of what is drawn, so that long sums of it come to something, and errors can be told from cancellation."""


class Sums(NamedTuple):
    """Values, and the sums of the absolute terms that they are sums of."""

    value: Vector
    terms: Vector


def sums_of(value: Vector) -> Sums:
    """What the CPU gave, whose terms are not known."""
    return Sums(value, value * CANCELLATION)


@dataclass(frozen=True)
class Inputs:
    """The rows of each matrix of a period, as stored, and dy's; and the parameters."""

    matrices: dict[str, list[bytes]]
    parameters: dict[str, bytes]


@dataclass
class Outputs:
    """The rows of each matrix that an op has written, the parameters' gradients, and what it did beside."""

    matrices: dict[str, list[bytes]]
    parameters: dict[str, bytes]
    trespasses: list[str]

    def bits(self) -> dict[str, bytes]:
        """All of it by name."""
        return {name: b"".join(rows) for name, rows in self.matrices.items()} | self.parameters


def problems_of(queue: polycom.Queue, cpu: polycom.Queue, case: Case, poison: bool = True) -> list[str]:
    """What is wrong, a line each: runs the case twice, over different rubbish if `poison`, else over whatever memory
    held, which is what the tools that look for uninitialised reads need."""
    inputs = inputs_of(case)
    runs = [run(queue, case, inputs, value if poison else None) for value in (0xFF, 0x00)]
    problems = [f"{case}: {line}" for line in dict.fromkeys(runs[0].trespasses + runs[1].trespasses)]
    again = runs[1].bits()
    for name, bits in runs[0].bits().items():
        if bits != again[name]:
            problems.append(f"{case}: {name} differs from run to run")
    return problems + [f"{case}: {line}" for line in disagreements(cpu, case, runs[0])]


def period_of(case: Case) -> int:
    """After how many rows the data repeat."""
    return PERIOD if case.rows > PERIOD and case.rows % PERIOD == 0 else case.rows


def inputs_of(case: Case) -> Inputs:
    names = [*case.op.matrices, "dy"]
    rows = {name: matrix_rows(name, period_of(case), case.cols, case.dtype, case.data) for name in names}
    parameters = {name: parameter(case, name) for name in case.op.parameters}
    return Inputs(rows, parameters)


def parameter(case: Case, name: str) -> bytes:
    """The values that its row says are worth trying; normal ones by default."""
    count = math.prod(parameter_shape(case, name))
    tried = case.op.parameters[name].get("tried")
    return encode(normal(count, seed=count) if tried is None else vector(tried[:count]), "f32")


def parameter_shape(case: Case, name: str) -> tuple[int, ...]:
    sizes = {"order": case.order, "cols": case.cols}
    return tuple(sizes.get(size, size) for size in case.op.parameters[name]["shape"])


@lru_cache(maxsize=32)
def matrix_rows(name: str, rows: int, cols: int, dtype: str, data: str) -> list[bytes]:
    """The rows of a matrix; dy is plainly drawn, whatever the data."""
    made = []
    for i in range(rows):
        row = normal(cols, seed=1000 * sum(name.encode()) + i) + MEAN
        if name != "dy" and data in ("0.1", "4", "12"):
            row = row * float(data)
        if name != "dy" and data == "outlier" and i == rows // 2:
            row = row * 1000.0
        if name in ("x", "gate") and data == "zeros":
            row = row * 0.0
        stored = encode(row, dtype)
        if name in ("x", "gate") and data == "odd" and i > 0:
            # Row 0 stays as it is: what is odd must not leave its row.
            stored = odd(stored, dtype, (cols * i) // rows, (math.nan, math.inf, -math.inf)[i % 3])
        made.append(stored)
    return made


def odd(stored: bytes, dtype: str, at: int, value: float) -> bytes:
    one = encode(vector([value]), dtype)
    return stored[: at * len(one)] + one + stored[(at + 1) * len(one) :]


class Prepared:
    """A case's calls, forward and backward, whose tensors stay where they are. Outputs begin as a byte over and over, or
    as memory comes where that is None."""

    def __init__(self, queue: polycom.Queue, case: Case, inputs: Inputs | None = None, poison: int | None = 0xFF) -> None:
        op, layout, scalars = case.op, case.layout, list(case.all_scalars.values())
        self.queue, self.case, self.inputs, self.poison_byte = queue, case, inputs or inputs_of(case), poison
        shape = (case.rows, case.cols)
        self.given = {
            name: Matrix(queue, shape, case.dtype, rows, layout.inputs, case.cols + layout.input_gap)
            for name, rows in self.inputs.matrices.items()
        }
        self.parameters = {
            name: Matrix(queue, (1, len(stored) // 4), "f32", [stored]) for name, stored in self.inputs.parameters.items()
        }
        self.outputs = {
            name: Matrix(queue, shape, case.dtype, self._rubbish(case.cols, case.dtype), layout.outputs, case.cols + layout.output_gap)
            for name in ("y", *(f"d{name}" for name in op.matrices))
        }
        self.gradients = {
            f"d{name}": Matrix(queue, tensor.shape, "f32", self._rubbish(tensor.shape[1], "f32"))
            for name, tensor in self.parameters.items()
        }
        self.workspace = Workspace(queue, poison)
        shapes = {name: parameter_shape(case, name) for name in op.parameters}
        views = [self.given[name].view() for name in op.matrices]
        views += [tensor.view(shapes[name]) for name, tensor in self.parameters.items()]
        written = [self.outputs[f"d{name}"].view() for name in op.matrices]
        written += [self.gradients[f"d{name}"].view(shapes[name]) for name in self.parameters]
        dy, y = self.given["dy"].view(), self.outputs["y"].view()
        allocate = self.workspace.allocate
        self.calls = [
            queue.prepare(f"{op.name}_forward", views, [y], scalars, allocate),
            queue.prepare(f"{op.name}_backward", [*views, dy], written, scalars, allocate),
        ]
        queue.synchronize()

    def run(self) -> None:
        for call in self.calls:
            call.run()

    def poison(self) -> None:
        """Overwrites the outputs, so that what is read later has been written since."""
        for tensor in (*self.outputs.values(), *self.gradients.values()):
            tensor.write(self._rubbish(tensor.shape[1], tensor.dtype) or [])

    def results(self) -> Outputs:
        """What has come of it, and what should not have been written."""
        self.queue.synchronize()
        found = Outputs({}, {}, [])
        for name, tensor in {**self.outputs, **self.gradients}.items():
            rows, intact = tensor.read()
            if name in self.outputs:
                found.matrices[name] = rows
            else:
                found.parameters[name] = rows[0]
            if not intact:
                found.trespasses.append(f"writes outside {name}")
        before = {**self.inputs.matrices, **{name: [stored] for name, stored in self.inputs.parameters.items()}}
        for name, tensor in {**self.given, **self.parameters}.items():
            rows, intact = tensor.read()
            if not intact or rows[: len(before[name])] != before[name][: len(rows)]:
                found.trespasses.append(f"writes to its input {name}, or around it")
        if not self.workspace.intact():
            found.trespasses.append("writes outside its workspace")
        return found

    def free(self) -> None:
        self.workspace.free()
        for tensors in (self.given, self.parameters, self.outputs, self.gradients):
            for tensor in tensors.values():
                tensor.free()

    def _rubbish(self, cols: int, dtype: str) -> list[bytes] | None:
        return None if self.poison_byte is None else [bytes([self.poison_byte]) * (cols * ITEM_BYTES[dtype])]


def run(queue: polycom.Queue, case: Case, inputs: Inputs, poison: int | None) -> Outputs:
    """Forward, then backward."""
    prepared = Prepared(queue, case, inputs, poison)
    prepared.run()
    found = prepared.results()
    prepared.free()
    return found


def disagreements(cpu: polycom.Queue, case: Case, outputs: Outputs) -> Iterator[str]:
    """Where the outputs are not what the CPU gives, or rows that are equal gave what is not."""
    period = period_of(case)
    wanted = expected(cpu, replace(case, layout=PACKED))
    for name, rows in outputs.matrices.items():
        unequal = [i for i in range(period, len(rows)) if rows[i] != rows[i % period]]
        if unequal:
            yield f"{name}: {len(unequal)} rows differ from equal ones, row {unequal[0]} first"
        lines = [row_problem(decode(rows[i], case.dtype), wanted[name][i], case.dtype) for i in range(period)]
        wrong = [(i, line) for i, line in enumerate(lines) if line is not None]
        if wrong:
            yield f"{name}: {len(wrong)} of {period} rows are wrong; row {wrong[0][0]} {wrong[0][1]}"
    for name, stored in outputs.parameters.items():
        line = row_problem(decode(stored, "f32"), wanted[name][0], "f32")
        if line is not None:
            yield f"{name} {line}"


@lru_cache(maxsize=4)
def expected(cpu: polycom.Queue, case: Case) -> dict[str, list[Sums]]:
    """What each output should be, by the CPU on the same values as floats: a period's rows, and the gradients of the
    parameters, which sum over all rows."""
    inputs, period = inputs_of(case), period_of(case)
    wide = {
        name: [encode(decode(row, case.dtype), "f32") for row in rows] for name, rows in inputs.matrices.items()
    }
    found = run(cpu, replace(case, dtype="f32", rows=period), Inputs(wide, inputs.parameters), 0xFF)
    wanted = {name: [sums_of(decode(row, "f32")) for row in rows] for name, rows in found.matrices.items()}
    for name, stored in found.parameters.items():
        wanted[name] = [sums_of(decode(stored, "f32") * (case.rows / period))]
    return wanted


def row_problem(got: Vector, wanted: Sums, dtype: str) -> str | None:
    """What is wrong with a row, if anything is. What its dtype cannot hold must be infinite, and NaN be NaN."""
    stored = rounded(wanted.value, dtype)
    at = first_difference(kinds(stored), kinds(got))
    if at is not None:
        return f"has {element(got, at):g} at {at}; expected {element(stored, at):g}"
    fits = finite(stored)
    if not every(fits):
        got, stored = only(got, fits), only(stored, fits)
        wanted = Sums(only(wanted.value, fits), only(wanted.terms, fits))
    difference = norm(got - wanted.value)
    if difference <= TINY * math.sqrt(len(got)):
        return None
    ideal = 0.0 if dtype == "f32" else norm(stored - wanted.value)
    scale = norm(wanted.terms)
    if difference <= BOUND * scale + ROUNDING * ideal:
        return None
    return f"is off by {difference / scale if scale > 0 else math.inf:.1e} of its terms' norm"
