"""What a kernel must stand beside single calls: being captured and replayed, other work at the same time, tensors of
more elements than an int holds."""

from __future__ import annotations

import ctypes
import threading
from typing import Iterator, Sequence

import polycom
from checks import Outputs, disagreements, expected, inputs_of, row_problem, run
from driver import Driver
from grid import Case, Grid
from guarded import Matrix, Workspace
from reference import OPS, Op, Sums
from vectors import decode, encode, vector

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


class Prepared:
    """A case's calls, whose tensors stay where they are."""

    def __init__(self, queue: polycom.Queue, case: Case) -> None:
        op, shape = case.op, (case.rows, case.cols)
        self.queue, self.case, self.inputs = queue, case, inputs_of(case)
        given = {name: Matrix(queue, shape, case.dtype, rows) for name, rows in self.inputs.matrices.items()}
        views = [given[name].view() for name in op.matrices]
        small = []
        if op.coefficients:
            weight = encode(vector(self.inputs.coefficients.weight), "f32")
            bias = encode(vector([self.inputs.coefficients.bias]), "f32")
            small = [Matrix(queue, (1, len(weight) // 4), "f32", [weight]), Matrix(queue, (1, 1), "f32", [bias])]
            views += [small[0].view((case.order,)), small[1].view(())]
        self.outputs = {name: self._empty(shape) for name in ("y", *(f"d{name}" for name in op.matrices))}
        self.gradients: dict[str, Matrix] = {}
        written = [self.outputs[f"d{name}"].view() for name in op.matrices]
        if op.coefficients:
            self.gradients = {"dweight": self._small(case.order), "dbias": self._small(1)}
            written += [self.gradients["dweight"].view((case.order,)), self.gradients["dbias"].view(())]
        self.workspace = Workspace(queue, 0xFF)
        scalars = list(case.all_scalars.values())
        prepare = queue.prepare
        self.calls = [
            prepare(f"{op.name}_forward", views, [self.outputs["y"].view()], scalars, self.workspace.allocate),
            prepare(
                f"{op.name}_backward", [*views, given["dy"].view()], written, scalars, self.workspace.allocate
            ),
        ]
        self.given = given
        self.tensors = [*given.values(), *small, *self.outputs.values(), *self.gradients.values()]
        queue.synchronize()

    def run(self) -> None:
        for call in self.calls:
            call.run()

    def poison(self) -> None:
        """Overwrites the outputs, so that what is read later has been written since."""
        for tensor in (*self.outputs.values(), *self.gradients.values()):
            tensor.write([b"\xff" * tensor.shape[1] * tensor.item])

    def results(self) -> Outputs:
        self.queue.synchronize()
        read = Outputs({name: tensor.read()[0] for name, tensor in self.outputs.items()}, {}, [])
        read.coefficients = {name: tensor.read()[0][0] for name, tensor in self.gradients.items()}
        return read

    def free(self) -> None:
        self.workspace.free()
        for tensor in self.tensors:
            tensor.free()

    def _empty(self, shape: tuple[int, int]) -> Matrix:
        return Matrix(self.queue, shape, self.case.dtype, [b"\xff" * shape[1] * (4 if self.case.dtype == "f32" else 2)])

    def _small(self, count: int) -> Matrix:
        return Matrix(self.queue, (1, count), "f32", [b"\xff" * 4 * count])


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


def large_problems(queue: polycom.Queue, rows: int, cols: int, dtype: str = "bf16") -> Iterator[str]:
    """PolyNorm with its gradients on a matrix whose rows repeat: every row must be what the first of its kind is."""
    period = next(count for count in range(16, 0, -1) if rows % count == 0)
    op = op_named("polynorm")
    small = Case(op, dtype, period, cols)
    inputs = inputs_of(small)
    wanted = run(queue, small, inputs, 0xFF)
    yield from (f"{small}: {line}" for line in disagreements(small, wanted))
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

    weight = encode(vector(inputs.coefficients.weight), "f32")
    tiny = Matrix(queue, (1, 3), "f32", [weight]), Matrix(queue, (1, 1), "f32", [encode(vector([0.1]), "f32")])
    gradients = Matrix(queue, (1, 3), "f32", [b"\xff" * 12]), Matrix(queue, (1, 1), "f32", [b"\xff" * 4])
    workspace = Workspace(queue, 0xFF)
    x, coefficients = view(filled(inputs.matrices["x"])), [tiny[0].view((3,)), tiny[1].view(())]
    output = view(filled([b"\xff" * row_bytes] * period))
    scalars = list(small.all_scalars.values())
    queue.prepare("polynorm_forward", [x, *coefficients], [output], scalars, workspace.allocate).run()
    yield from tile_problems(queue, output.address, wanted.matrices["y"], rows, f"y of {rows}x{cols} {dtype}")
    dy = view(filled(inputs.matrices["dy"]))
    written = [output, gradients[0].view((3,)), gradients[1].view(())]
    queue.prepare("polynorm_backward", [x, *coefficients, dy], written, scalars, workspace.allocate).run()
    yield from tile_problems(queue, output.address, wanted.matrices["dx"], rows, f"dx of {rows}x{cols} {dtype}")
    queue.synchronize()
    found = Outputs({}, {"dweight": gradients[0].read()[0][0], "dbias": gradients[1].read()[0][0]}, [])
    whole = Case(op, dtype, rows, cols)
    yield from (f"{whole}: {line}" for line in coefficient_problems(small, found, rows // period))
    workspace.free()
    for tensor in (*tiny, *gradients):
        tensor.free()
    for address in memory:
        queue.free(address)


def coefficient_problems(small: Case, found: Outputs, periods: int) -> Iterator[str]:
    for name, stored in found.coefficients.items():
        value, terms = expected(small)[name][0]
        line = row_problem(decode(stored, "f32"), Sums(value * float(periods), terms * float(periods)), "f32")
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
