"""The contenders of roofs.py at a shape: this package's kernels, cub::DeviceTransform over the same formulas, and the
yardsticks, a copy and streams with as many reads and writes as the passes have."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Callable, Mapping, Sequence

import polycom
from checks import row_problem, sums_of
from matrices import INPUTS, OUTPUTS, PERIOD, Matrices
from ops import OPS
from sampling import Row
from transform import Transform
from vectors import decode

DIRECTIONS = ("forward", "backward")
STREAM_METHODS = {"ordinary stores": 1.0, "streaming stores": 2.0}
BY_NAME = {op.name: op for op in OPS}


@dataclass(frozen=True)
class Kernel:
    """An activation of order 3, at its defaults but for some scalars."""

    native: str
    given: Mapping[str, float] = field(default_factory=dict)
    variant: str = ""
    """What tells it from another of the same op, as the budget has it."""
    transformed: bool = False
    """Whether transform.cu has it."""

    @property
    def name(self) -> str:
        return f"{self.native}_{self.variant}" if self.variant else self.native

    @property
    def label(self) -> str:
        return BY_NAME[self.native].row["label"] + (f" ({self.variant})" if self.variant else "")

    @property
    def budget(self) -> str:
        """What the budget calls it."""
        return " ".join([BY_NAME[self.native].row["label"], *([self.variant] if self.variant else [])])

    @property
    def scalars(self) -> list[float]:
        return [self.given.get(name, row["default"]) for name, row in BY_NAME[self.native].scalars.items()]

    @property
    def rowwise(self) -> bool:
        return BY_NAME[self.native].rowwise

    def inputs(self, direction: str) -> Sequence[str]:
        """The roles of the matrices that a pass reads."""
        matrices = INPUTS[: len(BY_NAME[self.native].matrices)]
        return matrices if direction == "forward" else (*matrices, "dy")

    def outputs(self, direction: str) -> Sequence[str]:
        return OUTPUTS[: 1 if direction == "forward" else len(BY_NAME[self.native].matrices)]

    def sums(self, direction: str) -> Sequence[str]:
        """The parameters whose gradients a pass sums."""
        return () if direction == "forward" else tuple(BY_NAME[self.native].parameters)

    def traffic(self, direction: str) -> str:
        return f"{len(self.inputs(direction))}:{len(self.outputs(direction))}"

    def prepare(self, of: Matrices, direction: str, index: int) -> polycom.Call:
        """A pass over a set of matrices."""
        given = [of.matrix(role, index) for role in self.inputs("forward")]
        given += [of.parameter(name) for name in BY_NAME[self.native].parameters]
        given += [of.matrix("dy", index)] if direction == "backward" else []
        taken = [of.matrix(role, index) for role in self.outputs(direction)]
        taken += [of.gradient(name) for name in self.sums(direction)]
        return of.queue.prepare(f"{self.native}_{direction}", given, taken, self.scalars)


KERNELS = (
    Kernel("relu", transformed=True),
    Kernel("relu2", transformed=True),
    Kernel("gelu", transformed=True),
    Kernel("gelu", {"approximate": 1}, "tanh", transformed=True),
    Kernel("silu", transformed=True),
    Kernel("polyrelu", transformed=True),
    Kernel("reglu", transformed=True),
    Kernel("geglu", transformed=True),
    Kernel("swiglu", transformed=True),
    Kernel("polynorm"),
    Kernel("polynormglu"),
)


@dataclass(frozen=True)
class Contender:
    """Something that is timed: `launch` does its work on a set of matrices."""

    identity: Row
    bytes: int
    check: Callable[[], "str | None"]
    launch: Callable[[int], object]


class Contenders:
    """Makes those of a shape, whose matrices are `of`; on the CPU, `wide` holds a period of the same values as floats,
    and `stored` one as they are."""

    def __init__(self, of: Matrices, wide: Matrices, stored: Matrices, place: Row, stream: int) -> None:
        self.of, self.wide, self.stored, self.place, self.stream = of, wide, stored, place, stream

    def copy(self) -> Contender:
        calls = [
            self.of.queue.prepare("copy", [self.of.matrix("x", i)], [self.of.matrix("y", i)], [0])
            for i in range(self.of.sets)
        ]
        identity = {"op": "copy", "label": "copy", "pass": "copy", "method": "device to device", "traffic": "1:1"}
        return self._yardstick({**identity, "variant": "copy"}, 1, 1, lambda i: calls[i].run())

    def streams(self, traffic: str, transform: Transform | None) -> list[Contender]:
        """Each way of it."""
        reads, writes = map(int, traffic.split(":"))
        inputs, outputs = INPUTS[:reads], OUTPUTS[:writes]

        def prepared(method: float) -> Callable[[int], object]:
            calls = [self._stream(self.of, reads, writes, i, method) for i in range(self.of.sets)]
            return lambda i: calls[i].run()

        def transformed(i: int) -> None:
            given, taken = ([self.of.address(role, i) for role in roles] for roles in (inputs, outputs))
            transform.stream(given, taken, self.of.bytes, self.stream)

        ways = {name: prepared(method) for name, method in STREAM_METHODS.items()}
        if transform is not None:
            ways["cub::DeviceTransform"] = transformed
        named = {"op": f"stream {traffic}", "label": f"stream {traffic}", "pass": "stream", "traffic": traffic}
        return [
            self._yardstick({**named, "variant": "stream", "method": method}, reads, writes, launch)
            for method, launch in ways.items()
        ]

    def own(self, kernel: Kernel, direction: str) -> Contender:
        calls = [kernel.prepare(self.of, direction, i) for i in range(self.of.sets)]
        sums = kernel.sums(direction)
        return self._contender(kernel, direction, "fused", lambda i: calls[i].run(), sums)

    def transformed(self, kernel: Kernel, direction: str, transform: Transform) -> Contender:
        """CUB's, of what takes no sums."""
        parameters = [ctypes.addressof(self.of.host[name]) for name in BY_NAME[kernel.native].parameters]

        def launch(i: int) -> None:
            roles = kernel.inputs(direction), kernel.outputs(direction)
            given, taken = ([self.of.address(role, i) for role in one] for one in roles)
            elements = self.of.rows * self.of.cols
            transform.run(kernel.name, direction, self.of.dtype, given, taken, parameters, elements, self.stream)

        return self._contender(kernel, direction, "peer:cub", launch, ())

    def _contender(
        self, kernel: Kernel, direction: str, variant: str, launch: Callable[[int], object], sums: Sequence[str]
    ) -> Contender:
        traffic = kernel.traffic(direction)
        named = {"op": kernel.name, "label": kernel.label, "pass": direction, "variant": variant, "traffic": traffic}
        outputs = kernel.outputs(direction)

        def problem(index: int) -> str | None:
            kernel.prepare(self.wide, direction, 0).run()
            for role in outputs:
                for got, right in zip(self.of.ends(role, index), self.wide.ends(role, 0)):
                    line = row_problem(decode(got, self.of.dtype), sums_of(decode(right, "f32")), self.of.dtype)
                    if line is not None:
                        return f"output {outputs.index(role)} {line}"
            for name in sums:
                right = decode(self.wide.sums(name), "f32") * (self.of.rows / PERIOD)
                line = row_problem(decode(self.of.sums(name), "f32"), sums_of(right), "f32")
                if line is not None:
                    return f"d{name} {line}"
            return None

        moved = self.of.bytes * (len(kernel.inputs(direction)) + len(outputs))
        return Contender({**named, **self.place}, moved, self._checked(launch, problem), launch)

    def _yardstick(self, named: Row, reads: int, writes: int, launch: Callable[[int], object]) -> Contender:
        def problem(index: int) -> str | None:
            self._stream(self.stored, reads, writes, 0, 1.0).run()
            roles = OUTPUTS[:writes]
            same = all(self.of.ends(role, index) == self.stored.ends(role, 0) for role in roles)
            return None if same else "the outputs are not what they should be"

        moved = self.of.bytes * (reads + writes)
        return Contender({**named, **self.place}, moved, self._checked(launch, problem), launch)

    def _checked(
        self, launch: Callable[[int], object], problem: Callable[[int], str | None]
    ) -> Callable[[], str | None]:
        """What is wrong with the outputs of the first set, or of the last, if anything is."""

        def check() -> str | None:
            for index in (0, self.of.sets - 1):
                self.of.spoil(index)
                launch(index)
                self.of.queue.synchronize()
                found = problem(index)
                if found is not None:
                    return found
            return None

        return check

    def _stream(self, of: Matrices, reads: int, writes: int, index: int, method: float) -> polycom.Call:
        given = [of.matrix(role, index) for role in INPUTS[:reads]]
        taken = [of.matrix(role, index) for role in OUTPUTS[:writes]]
        return of.queue.prepare("stream", given, taken, [method])
