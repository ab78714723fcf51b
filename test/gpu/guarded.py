"""Memory on a queue's device with guards around it and between its rows, which nothing may write."""

from __future__ import annotations

import ctypes
from typing import Sequence

import polycom
from vectors import ITEM_BYTES

GUARD_BYTES = 256
GUARD = 0xA5


class Matrix:
    """Rows in memory at an offset and a stride, both in elements, inside guards.

    `rows` is what they hold, or None for memory that is left as it comes, guards too: then nothing is known of it but
    what an op has written.
    """

    def __init__(
        self,
        queue: polycom.Queue,
        shape: tuple[int, int],
        dtype: str,
        rows: Sequence[bytes] | None,
        offset: int = 0,
        stride: int | None = None,
    ) -> None:
        self.queue, self.shape, self.dtype = queue, shape, dtype
        self.stride = shape[1] if stride is None else stride
        self.item = ITEM_BYTES[dtype]
        self.begin = GUARD_BYTES + offset * self.item
        self.size = self.begin + shape[0] * self.stride * self.item + GUARD_BYTES
        self.address = queue.allocate(self.size)
        self.guarded = rows is not None
        if rows is not None:
            self.write(rows)

    def write(self, rows: Sequence[bytes]) -> None:
        """Rows, repeated as often as fits, and the guards."""
        image = bytearray([GUARD]) * self.size
        for i in range(self.shape[0]):
            row = rows[i % len(rows)]
            image[self._place(i) : self._place(i) + len(row)] = row
        host = (ctypes.c_char * self.size).from_buffer(image)
        self.queue.copy(self.address, ctypes.addressof(host), self.size)
        self.queue.synchronize()

    def read(self) -> tuple[list[bytes], bool]:
        """The rows, and whether every byte that is none of theirs is as it was."""
        begin = 0 if self.guarded else self.begin
        size = self.size if self.guarded else self.shape[0] * self.stride * self.item
        host = ctypes.create_string_buffer(max(1, size))
        self.queue.copy(ctypes.addressof(host), self.address + begin, size)
        self.queue.synchronize()
        image = memoryview(host)
        row_bytes = self.shape[1] * self.item
        rows = [bytes(image[self._place(i) - begin :][:row_bytes]) for i in range(self.shape[0])]
        return rows, not self.guarded or self._intact(image)

    def view(self, shape: Sequence[int] | None = None) -> polycom.Tensor:
        """The rows as an op takes them; or all of them as a contiguous tensor of another shape."""
        address = self.address + self.begin
        if shape is None:
            return polycom.Tensor(address, self.dtype, self.shape, (self.stride, 1), owner=self)
        return polycom.Tensor(address, self.dtype, shape, polycom.contiguous(shape), owner=self)

    def free(self) -> None:
        self.queue.free(self.address)

    def _place(self, row: int) -> int:
        return self.begin + row * self.stride * self.item

    def _intact(self, image: memoryview) -> bool:
        row_bytes = self.shape[1] * self.item
        ends = [self._place(i) + row_bytes for i in range(self.shape[0])]
        begins = [self._place(i) for i in range(self.shape[0])]
        gaps = zip([0, *ends], [*begins, self.size])
        return all(bytes(image[begin:end]) == bytes([GUARD]) * (end - begin) for begin, end in gaps)


class Workspace:
    """What an op asks for beside its tensors, inside guards, and holding anything at first."""

    def __init__(self, queue: polycom.Queue, poison: int | None) -> None:
        self.queue, self.poison = queue, poison
        self.pieces: list[tuple[int, int]] = []

    def allocate(self, size: int) -> int:
        whole = size + 2 * GUARD_BYTES
        address = self.queue.allocate(whole)
        self.pieces.append((address, size))
        if self.poison is not None:
            guard = bytes([GUARD]) * GUARD_BYTES
            image = ctypes.create_string_buffer(guard + bytes([self.poison]) * size + guard, whole)
            self.queue.copy(address, ctypes.addressof(image), whole)
            self.queue.synchronize()
        return address + GUARD_BYTES

    def intact(self) -> bool:
        return self.poison is None or all(self._intact(*piece) for piece in self.pieces)

    def free(self) -> None:
        while self.pieces:
            self.queue.free(self.pieces.pop()[0])

    def _intact(self, address: int, size: int) -> bool:
        whole = size + 2 * GUARD_BYTES
        image = ctypes.create_string_buffer(whole)
        self.queue.copy(ctypes.addressof(image), address, whole)
        self.queue.synchronize()
        guard = bytes([GUARD]) * GUARD_BYTES
        return image.raw[:GUARD_BYTES] == guard and image.raw[-GUARD_BYTES:] == guard
