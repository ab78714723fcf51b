"""Runs a case on a queue, and says all that is wrong with what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Sequence

import polycom
import reference
from grid import PACKED, PERIOD, Case
from guarded import Matrix, Workspace
from reference import Coefficients, Sums
from vectors import (
    Vector,
    decode,
    encode,
    every,
    element,
    finite,
    first_difference,
    norm,
    normal,
    only,
    rounded,
    vector,
)

BOUND = 1e-6
"""How far a row may lie from f64, as a share of the norm of its absolute terms: src/op/compare.ts."""
ROUNDING = 1.1
"""For 16-bit storage, beside that: how many times the error of rounding the right result."""
TINY = 2.0**-126
WEIGHT = (0.4, -0.3, 0.7, 0.2)
BIAS = 0.1


@dataclass(frozen=True)
class Inputs:
    """The rows of each matrix of a period, as stored; and the coefficients."""

    matrices: dict[str, list[bytes]]
    coefficients: Coefficients


@dataclass
class Outputs:
    """The rows of each matrix that an op has written, the coefficients' gradients, and what it did beside."""

    matrices: dict[str, list[bytes]]
    coefficients: dict[str, bytes]
    trespasses: list[str]

    def bits(self) -> dict[str, bytes]:
        """All of it by name."""
        return {name: b"".join(rows) for name, rows in self.matrices.items()} | self.coefficients


def problems_of(queue: polycom.Queue, case: Case, poison: bool = True) -> list[str]:
    """What is wrong, a line each: runs the case twice, over different rubbish if `poison`, else over whatever memory
    held, which is what the tools that look for uninitialised reads need."""
    inputs = inputs_of(case)
    runs = [run(queue, case, inputs, value if poison else None) for value in (0xFF, 0x00)]
    problems = [f"{case}: {line}" for line in dict.fromkeys(runs[0].trespasses + runs[1].trespasses)]
    again = runs[1].bits()
    for name, bits in runs[0].bits().items():
        if bits != again[name]:
            problems.append(f"{case}: {name} differs from run to run")
    return problems + [f"{case}: {line}" for line in disagreements(case, runs[0])]


def period_of(case: Case) -> int:
    """After how many rows the data repeat."""
    return PERIOD if case.rows > PERIOD and case.rows % PERIOD == 0 else case.rows


def inputs_of(case: Case) -> Inputs:
    names = [*case.op.matrices, "dy"]
    rows = {name: matrix_rows(name, period_of(case), case.cols, case.dtype, case.data) for name in names}
    weight = encode(vector(WEIGHT[: case.order]), "f32")
    bias = encode(vector([BIAS]), "f32")
    return Inputs(rows, Coefficients(list(decode(weight, "f32")), list(decode(bias, "f32"))[0]))


@lru_cache(maxsize=32)
def matrix_rows(name: str, rows: int, cols: int, dtype: str, data: str) -> list[bytes]:
    """The rows of a matrix; dy is plainly normal, whatever the data."""
    made = []
    for i in range(rows):
        row = normal(cols, seed=1000 * sum(name.encode()) + i)
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


def run(queue: polycom.Queue, case: Case, inputs: Inputs, poison: int | None) -> Outputs:
    """Forward, then backward."""
    op, shape = case.op, (case.rows, case.cols)
    layout, scalars = case.layout, list(case.all_scalars.values())

    def given(name: str) -> Matrix:
        rows = inputs.matrices[name]
        return Matrix(queue, shape, case.dtype, rows, layout.inputs, case.cols + layout.input_gap)

    def taken() -> Matrix:
        rows = None if poison is None else [bytes([poison]) * (case.cols * (4 if case.dtype == "f32" else 2))]
        return Matrix(queue, shape, case.dtype, rows, layout.outputs, case.cols + layout.output_gap)

    def small(values: Sequence[float] | None, count: int) -> Matrix:
        stored = None if values is None else encode(vector(values), "f32")
        if stored is None and poison is not None:
            stored = bytes([poison]) * 4 * count
        return Matrix(queue, (1, count), "f32", None if stored is None else [stored])

    matrices = {name: given(name) for name in (*op.matrices, "dy")}
    outputs = {name: taken() for name in ("y", *(f"d{name}" for name in op.matrices))}
    coefficients, gradients = {}, {}
    if op.coefficients:
        coefficients = {"weight": small(inputs.coefficients.weight, case.order), "bias": small([BIAS], 1)}
        gradients = {"dweight": small(None, case.order), "dbias": small(None, 1)}
    shapes = {"weight": (case.order,), "dweight": (case.order,), "bias": (), "dbias": ()}
    workspace = Workspace(queue, poison)
    views = [matrices[name].view() for name in op.matrices]
    views += [tensor.view(shapes[name]) for name, tensor in coefficients.items()]
    written = [outputs[f"d{name}"].view() for name in op.matrices]
    written += [tensor.view(shapes[name]) for name, tensor in gradients.items()]
    y = [outputs["y"].view()]
    queue.prepare(f"{op.name}_forward", views, y, scalars, workspace.allocate).run()
    given_dy = [*views, matrices["dy"].view()]
    queue.prepare(f"{op.name}_backward", given_dy, written, scalars, workspace.allocate).run()
    queue.synchronize()
    result = collect(inputs, matrices, outputs, gradients, coefficients)
    if not workspace.intact():
        result.trespasses.append("writes outside its workspace")
    workspace.free()
    for tensors in (matrices, outputs, coefficients, gradients):
        for tensor in tensors.values():
            tensor.free()
    return result


def collect(
    inputs: Inputs,
    matrices: dict[str, Matrix],
    outputs: dict[str, Matrix],
    gradients: dict[str, Matrix],
    coefficients: dict[str, Matrix],
) -> Outputs:
    result = Outputs({}, {}, [])
    for name, tensor in outputs.items():
        result.matrices[name], intact = tensor.read()
        if not intact:
            result.trespasses.append(f"writes outside {name}")
    for name, tensor in gradients.items():
        rows, intact = tensor.read()
        result.coefficients[name] = rows[0]
        if not intact:
            result.trespasses.append(f"writes outside {name}")
    for name, tensor in {**matrices, **coefficients}.items():
        rows, intact = tensor.read()
        before = inputs.matrices.get(name)
        if not intact or (before is not None and rows[: len(before)] != before):
            result.trespasses.append(f"writes to its input {name}, or around it")
    return result


def disagreements(case: Case, outputs: Outputs) -> list[str]:
    """Where the outputs are not what the reference gives, or rows that are equal gave what is not."""
    period = period_of(case)
    problems = []
    wanted_sums = expected(replace(case, layout=PACKED))
    for name, rows in outputs.matrices.items():
        unequal = [i for i in range(period, len(rows)) if rows[i] != rows[i % period]]
        if unequal:
            problems.append(f"{name}: {len(unequal)} rows differ from equal ones, row {unequal[0]} first")
        lines = [row_problem(decode(rows[i], case.dtype), wanted_sums[name][i], case.dtype) for i in range(period)]
        wrong = [(i, line) for i, line in enumerate(lines) if line is not None]
        if wrong:
            problems.append(f"{name}: {len(wrong)} of {period} rows are wrong; row {wrong[0][0]} {wrong[0][1]}")
    for name, stored in outputs.coefficients.items():
        line = row_problem(decode(stored, "f32"), wanted_sums[name][0], "f32")
        if line is not None:
            problems.append(f"{name} {line}")
    return problems


@lru_cache(maxsize=4)
def expected(case: Case) -> dict[str, list[Sums]]:
    """What each output should be: a period's rows, and the sums over all rows of the coefficients' gradients."""
    op, inputs = case.op, inputs_of(case)
    names = ["y", *(f"d{name}" for name in op.matrices)]
    found: dict[str, list[Sums]] = {name: [] for name in names}
    scalars, period = case.all_scalars, period_of(case)
    sums: list[list[float]] = [[0.0, 0.0] for _ in range(case.order + 1)]
    for i in range(period):
        row = [decode(inputs.matrices[name][i], case.dtype) for name in op.matrices]
        dy = decode(inputs.matrices["dy"][i], case.dtype)
        found["y"].append(reference.forward(op, row, inputs.coefficients, scalars))
        gradients, parts = reference.backward(op, row, dy, inputs.coefficients, scalars)
        for name, gradient in zip(names[1:], gradients):
            found[name].append(gradient)
        for of, (value, terms) in zip(sums, [*parts.dweight, parts.dbias]):
            of[0] += value * (case.rows / period)
            of[1] += terms * (case.rows / period)
    if op.coefficients:
        dweight = Sums(vector(value for value, _ in sums[:-1]), vector(terms for _, terms in sums[:-1]))
        found["dweight"] = [dweight]
        found["dbias"] = [Sums(vector([sums[-1][0]]), vector([sums[-1][1]]))]
    return found


def row_problem(got: Vector, wanted: Sums, dtype: str) -> str | None:
    """What is wrong with a row, if anything is. What its dtype cannot hold must be infinite, and NaN be NaN."""
    stored = rounded(wanted.value, dtype)
    fits, whole = finite(stored), finite(got)
    at = first_difference(fits, whole)
    if at is not None:
        return f"has {element(got, at):g} at {at}; expected {element(stored, at):g}"
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
