"""Holds the other kernels of a device against the CPU's, which the package's tests hold against f64."""

from __future__ import annotations

import math
from typing import Iterator, Mapping, Sequence

import polycom
from checks import row_problem
from guarded import Matrix, Workspace
from others import PASSES, Given, OtherCase, Pass
from reference import Sums
from vectors import ITEM_BYTES, decode, encode

CANCELLATION = 4.0
"""What the terms of a sum are taken to come to, as a multiple of the sum. On the emulator no output was off by more than
1e-6 of itself; this leaves another order of summing room."""
LARGEST_F8 = 448.0

Found = Mapping[str, Given]


def problems_of(queue: polycom.Queue, cpu: polycom.Queue, case: OtherCase, poison: bool = True) -> Iterator[str]:
    """What is wrong, a line each: with each pass's results on tensors that are aligned, and on tensors that are not."""
    tensors = dict(case.tensors)
    for of in PASSES[case.name]:
        given = {name: tensors[name] for name in of.inputs}
        scalars = [case.scalars[name] for name in of.scalars]
        wanted = wanted_of(cpu, of, widened(given), scalars)
        for offset in (0, 1):
            where = f"{case}: {of.op}{', misaligned' if offset > 0 else ''}"
            runs = [run(queue, of, given, scalars, offset, value if poison else None) for value in (0xFF, 0)]
            (found, trespasses), (again, _) = runs
            yield from (f"{where} {line}" for line in trespasses)
            yield from (f"{where}: {name} differs from run to run" for name in found if found[name] != again[name])
            for name, tensor in found.items():
                line = problem(name, found, wanted) if tensor.stored else None
                if line is not None:
                    yield f"{where}: {name} {line}"
        tensors.update(wanted)


def wanted_of(cpu: polycom.Queue, of: Pass, given: Found, scalars: Sequence[float]) -> dict[str, Given]:
    """What the CPU gives; of what is quantised, the floats before that."""
    wanted, _ = run(cpu, of, given, scalars)
    if of.unrounded is not None:
        before = Pass(of.unrounded, of.inputs[:-1], of.outputs[:1])
        floats, _ = run(cpu, before, {name: given[name] for name in before.inputs}, scalars)
        wanted.update(floats)
    return wanted


def problem(name: str, found: Found, wanted: Found) -> str | None:
    """What is wrong with one output, if anything is."""
    got, right = found[name], wanted[name]
    if got.shape != right.shape:
        return f"is of shape {got.shape}; expected {right.shape}"
    if got.dtype == "f8e4m3":
        return f8_problem(got, right, decode(found["scales"].stored, "f32"))
    value = decode(right.stored, "f32")
    return row_problem(decode(got.stored, got.dtype), Sums(value, value * CANCELLATION), got.dtype)


def f8_problem(got: Given, exact: Given, scales: Sequence[float]) -> str | None:
    """Each must lie within half a step of what it stands for, and a little, for that is a float's."""
    cols, divisors = got.shape[-1], list(scales)
    for at, (code, value) in enumerate(zip(got.stored, decode(exact.stored, "f32"))):
        scaled = max(-LARGEST_F8, min(LARGEST_F8, float(value) / divisors[at // cols]))
        if not abs(F8_VALUES[code] - scaled) <= half_step(scaled) + 1e-5 * abs(scaled):
            return f"has {F8_VALUES[code]:g} at {at}; expected {scaled:g}, rounded"
    return None


def f8_value(code: int) -> float:
    """What a code of e4m3fn stands for."""
    exponent, fraction = code >> 3 & 15, code & 7
    if code & 0x7F == 0x7F:
        return float("nan")
    size = fraction / 8 * 2.0**-6 if exponent == 0 else (1 + fraction / 8) * 2.0 ** (exponent - 7)
    return -size if code & 0x80 else size


F8_VALUES = [f8_value(code) for code in range(256)]


def half_step(value: float) -> float:
    """Half of what lies between the values of e4m3fn around one: three bits follow the first."""
    return 2.0 ** (max(math.frexp(value)[1] - 1, -6) - 4)


def widened(given: Found) -> dict[str, Given]:
    """The same values as floats."""
    return {
        name: Given("f32", tensor.shape, encode(decode(tensor.stored, tensor.dtype), "f32"))
        if tensor.dtype in ("f16", "bf16")
        else tensor
        for name, tensor in given.items()
    }


def run(
    queue: polycom.Queue,
    of: Pass,
    given: Found,
    scalars: Sequence[float],
    offset: int = 0,
    poison: int | None = 0xFF,
) -> tuple[dict[str, Given], list[str]]:
    """A pass's outputs, and the tensors that it has written to besides. Tensors lie `offset` elements off."""
    inputs = {name: placed(queue, tensor.dtype, tensor.shape, tensor.stored, offset) for name, tensor in given.items()}
    views = [matrix.view(given[name].shape) for name, matrix in inputs.items()]
    planned = dict(zip(of.outputs, queue.plan(of.op, views, len(of.outputs), scalars)))
    outputs = {name: placed(queue, *each, poison, offset) for name, each in planned.items()}
    workspace = Workspace(queue, poison)
    taken = [matrix.view(planned[name][1]) for name, matrix in outputs.items()]
    queue.prepare(of.op, views, taken, scalars, workspace.allocate).run()
    queue.synchronize()
    found, trespasses = {}, []
    written = list(inputs)[1:] if of.in_place else []
    for name, matrix in {**inputs, **outputs}.items():
        rows, intact = matrix.read()
        stored = b"".join(rows)
        is_output = name in outputs or name in written
        if is_output:
            dtype, shape = planned[name] if name in outputs else given[name][:2]
            found[name] = Given(dtype, shape, stored)
        if not intact or (not is_output and stored != given[name].stored):
            trespasses.append(f"writes to {name}, or around it, what it should not")
    if not workspace.intact():
        trespasses.append("writes outside its workspace")
    workspace.free()
    for matrix in (*inputs.values(), *outputs.values()):
        matrix.free()
    return found, trespasses


def placed(
    queue: polycom.Queue, dtype: str, shape: Sequence[int], content: bytes | int | None, offset: int
) -> Matrix:
    """A tensor in memory with guards, of these bytes, of a byte over and over, or as memory comes."""
    count = math.prod(shape)
    if isinstance(content, int):
        content = bytes([content]) * (ITEM_BYTES[dtype] * count)
    return Matrix(queue, (1, count), dtype, None if content is None else [content], offset)
