"""Matrices that shapes and ops share: sets of them, so that launches which take them in turns find none cached."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import polycom
from checks import MEAN
from vectors import ITEM_BYTES, decode, encode, normal

INPUTS, OUTPUTS = ("x", "up", "dy"), ("y", "z")
POOL = 4099
"""Values that are drawn; matrices repeat them. A prime, so that neighbouring rows differ."""
PERIOD = 16
"""Rows after which a matrix repeats: a divisor of those of every shape."""
MOST_READ = 1 << 16
"""Elements of an output that are read at either end: without NumPy more would take long."""
PARAMETERS = {"weight": (0.4, 0.3, 0.2), "bias": (0.1,)}
SHAPES: dict[str, tuple[int, ...]] = {"weight": (3,), "bias": ()}


class Matrices:
    """Sets of matrices of every role, of up to so many elements, and the parameters; `give` lays out a shape in them.

    :param values: the dtype whose values they hold, where that is another: a CPU's f32 that a kernel is held against
    """

    def __init__(self, queue: polycom.Queue, dtype: str, elements: int, sets: int, values: str | None = None) -> None:
        self.queue, self.dtype, self.sets, self.values = queue, dtype, sets, values or dtype
        self.rows = self.cols = 0
        size = elements * ITEM_BYTES[dtype]
        self._places = {role: [queue.allocate(size) for _ in range(sets)] for role in (*INPUTS, *OUTPUTS)}
        self._parameters = {name: queue.allocate(16) for name in PARAMETERS}
        self._gradients = {name: queue.allocate(16) for name in PARAMETERS}
        self.host = {name: (ctypes.c_float * len(values))(*values) for name, values in PARAMETERS.items()}
        for name, values in self.host.items():
            queue.copy(self._parameters[name], ctypes.addressof(values), ctypes.sizeof(values))
        queue.synchronize()

    @property
    def bytes(self) -> int:
        """Of one matrix."""
        return self.rows * self.cols * ITEM_BYTES[self.dtype]

    def give(self, rows: int, cols: int) -> None:
        """Fills the inputs of a shape."""
        self.rows, self.cols = rows, cols
        for role in INPUTS:
            first, *others = self._places[role]
            image = self._period(role) * (rows // PERIOD)
            self.queue.copy(first, address_of(image), self.bytes)
            for other in others:
                self.queue.copy(other, first, self.bytes)
            self.queue.synchronize()

    def address(self, role: str, index: int) -> int:
        return self._places[role][index]

    def matrix(self, role: str, index: int) -> polycom.Tensor:
        return tensor(self.address(role, index), self.dtype, (self.rows, self.cols))

    def parameter(self, name: str) -> polycom.Tensor:
        return tensor(self._parameters[name], "f32", SHAPES[name])

    def gradient(self, name: str) -> polycom.Tensor:
        return tensor(self._gradients[name], "f32", SHAPES[name])

    def ends(self, role: str, index: int) -> tuple[bytes, bytes]:
        """The first rows of a matrix, and the last, as many as are read."""
        first, last, size = self._ends(role, index)
        return self._read(first, size), self._read(last, size)

    def spoil(self, index: int) -> None:
        """Makes NaN of what is read of a set's outputs: what is read later has been written since."""
        for role in OUTPUTS:
            first, last, size = self._ends(role, index)
            rubbish = b"\xff" * size
            for address in (first, last):
                self.queue.copy(address, address_of(rubbish), size)
            self.queue.synchronize()

    def sums(self, name: str) -> bytes:
        """A parameter's gradient."""
        return self._read(self._gradients[name], 4 * len(PARAMETERS[name]))

    def free(self) -> None:
        self.queue.synchronize()
        places = [address for sets in self._places.values() for address in sets]
        for address in (*places, *self._parameters.values(), *self._gradients.values()):
            self.queue.free(address)

    def _period(self, role: str) -> bytes:
        stored = pool(role, self.values)
        if self.dtype != self.values:
            stored = encode(decode(stored, self.values), self.dtype)
        size = PERIOD * self.cols * ITEM_BYTES[self.dtype]
        return (stored * -(-size // len(stored)))[:size]

    def _ends(self, role: str, index: int) -> tuple[int, int, int]:
        count = next(count for count in (PERIOD, 8, 4, 2, 1) if count * self.cols <= MOST_READ or count == 1)
        size, place = count * self.cols * ITEM_BYTES[self.dtype], self.address(role, index)
        return place, place + self.bytes - size, size

    def _read(self, address: int, size: int) -> bytes:
        into = ctypes.create_string_buffer(size)
        self.queue.copy(ctypes.addressof(into), address, size)
        self.queue.synchronize()
        return into.raw


@lru_cache(maxsize=8)
def pool(role: str, dtype: str) -> bytes:
    return encode(normal(POOL, seed=sum(role.encode())) + MEAN, dtype)


def tensor(address: int, dtype: str, shape: tuple[int, ...]) -> polycom.Tensor:
    return polycom.Tensor(address, dtype, shape, polycom.contiguous(shape))


def address_of(stored: bytes) -> int:
    """Of bytes that the caller keeps."""
    return ctypes.cast(ctypes.c_char_p(stored), ctypes.c_void_p).value or 0
