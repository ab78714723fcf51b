"""What a kernel must stand beside single calls: being captured and replayed, other work at the same time, tensors of
more elements than an int holds."""

from __future__ import annotations

import ctypes
import threading
from typing import Iterator, Sequence

import polycom
from checks import (
    Outputs,
    Prepared,
    disagreements,
    expected,
    inputs_of,
    parameter_shape,
    row_problem,
    run,
    sums_of,
)
from driver import Driver
from grid import Case, Grid
from guarded import Matrix, Workspace
from ops import OPS, Op
from vectors import decode

SHAPES = ((3, 123), (48, 1536), (5, 8256))
MANY_ROWS = (304, 20000)
"""More rows than blocks, of rows that several blocks share: for a GPU at its own speed."""
BATCH_ROUNDS = 20


def op_named(name: str) -> Op:
    return next(op for op in OPS if op.name == name)


def situation_cases(grid: Grid) -> Iterator[Case]:
    shapes = [*SHAPES, *([MANY_ROWS] if grid.rowwise_shapes else [])]
    for op in OPS:
        for dtype in ("f32", "bf16"):
            for rows, cols in shapes if op.rowwise else SHAPES[1:2]:
                if op.name in grid.ops and dtype in grid.dtypes and cols <= max(grid.widths):
                    yield Case(op, dtype, rows, cols)


def graph_problems(library: polycom.Library, driver: Driver, cases: Sequence[Case]) -> Iterator[str]:
    """A graph of a case's calls must give what the calls give, twice, and on new data too."""
    driver.use(0)
    stream = driver.stream()
    with library.adopt(stream) as queue:
        for case in cases:
            prepared = Prepared(queue, case)
            prepared.run()
            direct = prepared.results().bits()
            graph = driver.capture(stream, prepared.run)
            for attempt in ("replayed", "replayed again"):
                prepared.poison()
                graph.launch(stream)
                if prepared.results().bits() != direct:
                    yield f"{case}: {attempt}, a graph gives other bits than the calls"
            # The first row again and again: the graph must read what is there when it runs.
            for name in (*case.op.matrices, "dy"):
                prepared.given[name].write(prepared.inputs.matrices[name][:1])
            prepared.run()
            direct = prepared.results().bits()
            prepared.poison()
            graph.launch(stream)
            if prepared.results().bits() != direct:
                yield f"{case}: on new data, a graph gives other bits than the calls"
            graph.destroy()
            prepared.free()
    driver.destroy_stream(stream)


def queue_problems(library: polycom.Library, device: str, cases: Sequence[Case]) -> Iterator[str]:
    """Two queues at once, each driven by a thread: both must give what each gives alone."""
    with library.queue(device) as first, library.queue(device) as second:
        for case, other in zip(cases, [*cases[1:], *cases[:1]]):
            pair = [Prepared(first, case), Prepared(second, other)]
            alone = []
            for prepared in pair:
                prepared.run()
                alone.append(prepared.results().bits())
                prepared.poison()
            errors: list[BaseException] = []
            start = threading.Barrier(2)
            threads = [threading.Thread(target=drive, args=(prepared, start, errors)) for prepared in pair]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for error in errors:
                yield f"{case} beside {other}: {error}"
            for prepared, bits in zip(pair, alone):
                if prepared.results().bits() != bits:
                    yield f"{prepared.case}: other bits while another queue ran too"
                prepared.free()


def drive(prepared: Prepared, start: threading.Barrier, errors: list[BaseException]) -> None:
    start.wait()
    try:
        for _ in range(BATCH_ROUNDS):
            prepared.run()
        prepared.queue.synchronize()
    except polycom.PolycomError as error:
        errors.append(error)


def large_problems(queue: polycom.Queue, cpu: polycom.Queue, rows: int, cols: int, dtype: str = "bf16") -> Iterator[str]:
    """PolyNorm with its gradients on a matrix whose rows repeat: every row must be what the first of its kind is."""
    period = next(count for count in range(16, 0, -1) if rows % count == 0)
    small = Case(op_named("polynorm"), dtype, period, cols)
    inputs = inputs_of(small)
    wanted = run(queue, small, inputs, 0xFF)
    yield from (f"{small}: {line}" for line in disagreements(cpu, small, wanted))
    row_bytes = len(inputs.matrices["x"][0])
    memory: list[int] = []

    def filled(tile: Sequence[bytes]) -> int:
        """The rows over and over: copied to the device once, then doubled there."""
        address = queue.allocate(rows * row_bytes)
        memory.append(address)
        image = ctypes.create_string_buffer(b"".join(tile), period * row_bytes)
        queue.copy(address, ctypes.addressof(image), len(image))
        done = len(image)
        while done < rows * row_bytes:
            size = min(done, rows * row_bytes - done)
            queue.copy(address + done, address, size)
            done += size
        queue.synchronize()
        return address

    def view(address: int) -> polycom.Tensor:
        return polycom.Tensor(address, dtype, (rows, cols), (cols, 1))

    tiny = {name: Matrix(queue, (1, len(stored) // 4), "f32", [stored]) for name, stored in inputs.parameters.items()}
    gradients = {f"d{name}": Matrix(queue, tensor.shape, "f32", [b"\xff" * 4 * tensor.shape[1]]) for name, tensor in tiny.items()}
    shapes = {name: parameter_shape(small, name) for name in tiny}
    workspace = Workspace(queue, 0xFF)
    x, parameters = view(filled(inputs.matrices["x"])), [tensor.view(shapes[name]) for name, tensor in tiny.items()]
    output = view(filled([b"\xff" * row_bytes] * period))
    scalars = list(small.all_scalars.values())
    queue.prepare("polynorm_forward", [x, *parameters], [output], scalars, workspace.allocate).run()
    yield from tile_problems(queue, output.address, wanted.matrices["y"], rows, f"y of {rows}x{cols} {dtype}")
    dy = view(filled(inputs.matrices["dy"]))
    written = [output, *(gradients[f"d{name}"].view(shapes[name]) for name in tiny)]
    queue.prepare("polynorm_backward", [x, *parameters, dy], written, scalars, workspace.allocate).run()
    yield from tile_problems(queue, output.address, wanted.matrices["dx"], rows, f"dx of {rows}x{cols} {dtype}")
    queue.synchronize()
    found = Outputs({}, {name: tensor.read()[0][0] for name, tensor in gradients.items()}, [])
    whole = Case(small.op, dtype, rows, cols)
    yield from (f"{whole}: {line}" for line in parameter_problems(cpu, small, found, rows // period))
    workspace.free()
    for tensor in (*tiny.values(), *gradients.values()):
        tensor.free()
    for address in memory:
        queue.free(address)


def parameter_problems(cpu: polycom.Queue, small: Case, found: Outputs, periods: int) -> Iterator[str]:
    for name, stored in found.parameters.items():
        value = expected(cpu, small)[name][0].value * float(periods)
        line = row_problem(decode(stored, "f32"), sums_of(value), "f32")
        if line is not None:
            yield f"{name} {line}"


def tile_problems(
    queue: polycom.Queue, address: int, tile: Sequence[bytes], rows: int, what: str, chunk_bytes: int = 1 << 26
) -> Iterator[str]:
    """Rows that are not those of a tile, over and over; all are looked at."""
    pattern = b"".join(tile)
    periods = max(1, chunk_bytes // len(pattern))
    whole = pattern * periods
    host = bytearray(len(whole))
    target = ctypes.addressof((ctypes.c_char * len(whole)).from_buffer(host))
    end = rows * len(tile[0])
    for begin in range(0, end, len(whole)):
        size = min(len(whole), end - begin)
        queue.copy(target, address + begin, size)
        queue.synchronize()
        got = host[:size]
        if got == whole[:size]:
            continue
        row_bytes = len(tile[0])
        bad = next(i for i in range(0, size, row_bytes) if got[i : i + row_bytes] != whole[i : i + row_bytes])
        yield f"{what}: row {(begin + bad) // row_bytes} is not what an equal row of a small matrix is"
        return
