"""cub::DeviceTransform over this package's formulas (transform.cu) through ctypes."""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_int, c_int64, c_void_p
from typing import Sequence

import polycom

DTYPES = ("f32", "bf16")


class Transform:
    """The library that build.py makes of transform.cu."""

    def __init__(self, path: str) -> None:
        try:
            self.functions = ctypes.CDLL(path)
            self._run, self._stream = self.functions.transform_run, self.functions.transform_stream
            self._error = self.functions.transform_error
        except (OSError, AttributeError) as error:
            raise polycom.PolycomError(f"{path} is no transform.cu, compiled: {error}") from error
        self._run.argtypes = (c_char_p, c_int, c_int, c_void_p, c_void_p, c_void_p, c_int64, c_void_p)
        self._stream.argtypes = (c_int, c_int, c_void_p, c_void_p, c_int64, c_void_p)
        self._error.argtypes, self._error.restype = (c_int,), c_char_p

    def run(
        self,
        name: str,
        direction: str,
        dtype: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        parameters: Sequence[int],
        elements: int,
        stream: int,
    ) -> None:
        """A pass of an activation over matrices at these addresses. `parameters` lie in the host's memory."""
        places = [addresses(list(of)) for of in (inputs, outputs, parameters)]
        self._check(self._run(name.encode(), direction == "backward", dtype == "bf16", *places, elements, stream))

    def stream(self, inputs: Sequence[int], outputs: Sequence[int], size: int, stream: int) -> None:
        """Reads and writes `size` bytes of every matrix, as pc_stream does."""
        places = addresses(inputs), addresses(outputs)
        self._check(self._stream(len(inputs), len(outputs), *places, size, stream))

    def _check(self, status: int) -> None:
        if status != 0:
            raise polycom.PolycomError(f"cub::DeviceTransform: {self._error(status).decode()}")


def addresses(of: Sequence[int]) -> ctypes.Array[c_void_p]:
    """As many as transform.cu may read."""
    return (c_void_p * 3)(*of)
