"""Holds the other kernels of a device against the CPU's, which the package's tests hold against f64."""

from __future__ import annotations

import math
from typing import Collection, Iterator, Mapping, Sequence

import polycom
from checks import row_problem, sums_of
from guarded import Matrix, Workspace
from ops import Pass
from others import PASSES, Given, OtherCase
from vectors import ITEM_BYTES, decode, encode

Found = Mapping[str, Given]


def problems_of(queue: polycom.Queue, cpu: polycom.Queue, case: OtherCase, poison: bool = True) -> Iterator[str]:
    """What is wrong, a line each: with each pass's results on tensors that are aligned, and on tensors that are not."""
    tensors = dict(case.tensors)
    for of in PASSES[case.name]:
        given = {name: tensors[name] for name in of.inputs}
        scalars = [case.scalars[name] for name in of.scalars]
        wanted, _ = run(cpu, of, widened(given, of.copies), scalars)
        wanted.update({copy: wanted[name] for copy, name in of.copies.items()})
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
        tensors.update({name: stored_as(found[name].dtype, tensor) for name, tensor in wanted.items()})


def problem(name: str, found: Found, wanted: Found) -> str | None:
    """What is wrong with one output, if anything is."""
    got, right = found[name], wanted[name]
    if got.shape != right.shape:
        return f"is of shape {got.shape}; expected {right.shape}"
    return row_problem(decode(got.stored, got.dtype), sums_of(decode(right.stored, "f32")), got.dtype)


def widened(given: Found, copies: Collection[str]) -> dict[str, Given]:
    """The same values as floats, but where copies are written."""
    return {
        name: stored_as("f32", tensor) if tensor.dtype in ("f16", "bf16") and name not in copies else tensor
        for name, tensor in given.items()
    }


def stored_as(dtype: str, tensor: Given) -> Given:
    """The same values in another dtype."""
    return Given(dtype, tensor.shape, encode(decode(tensor.stored, tensor.dtype), dtype))


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
