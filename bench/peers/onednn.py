"""oneDNN's element-wise primitives on the CPU through ctypes: the C API of libdnnl, which comes as a wheel."""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, byref, c_float, c_int, c_int64, c_uint, c_void_p
from pathlib import Path
from typing import Any, Callable

import polycom

VARIANT = "peer:onednn"
ALGORITHMS = {"relu": (0x20, 0.0), "gelu": (0x31, 0.0), "gelu_tanh": (0x2B, 0.0), "silu": (0x2C, 1.0)}
"""By the activation: dnnl_alg_kind_t and alpha. SiLU is dnnl_eltwise_swish."""
DTYPES = {"f16": 1, "bf16": 2, "f32": 3}
"""dnnl_data_type_t."""
CPU, IN_ORDER, FORWARD_TRAINING = 1, 1, 64
SRC, DST, DIFF_SRC, DIFF_DST = 1, 17, 129, 145
STATUSES = ("success", "out of memory", "invalid arguments", "unimplemented")


class Missing(RuntimeError):
    """There is no oneDNN here, or what it refused."""


class Version(ctypes.Structure):
    """The beginning of dnnl_version_t."""

    _fields_ = [("major", c_int), ("minor", c_int), ("patch", c_int)]


class Argument(ctypes.Structure):
    """dnnl_exec_arg_t."""

    _fields_ = [("argument", c_int), ("memory", c_void_p)]


class OneDnn:
    """libdnnl, its engine of the CPU and a stream, which live as long as the process."""

    def __init__(self, threads: int) -> None:
        folder = Path(sys.prefix) / "lib"
        path = next(iter(sorted(folder.glob("libdnnl.so*"))), None)
        if path is None:
            raise Missing("there is no libdnnl beside this Python; remedy: npm run bench:peers -- --install")
        try:
            self.functions = ctypes.CDLL(str(path))
            # Loaded already, as libdnnl runs on it: the threads of what this thread begins.
            ctypes.CDLL("libgomp.so.1").omp_set_num_threads(threads)
        except (OSError, AttributeError) as error:
            raise Missing(str(error)) from error
        self.engine, self.stream = c_void_p(), c_void_p()
        self._call("dnnl_engine_create", byref(self.engine), c_int(CPU), ctypes.c_size_t(0))
        self._call("dnnl_stream_create", byref(self.stream), self.engine, c_uint(IN_ORDER))

    def version(self) -> str:
        self.functions.dnnl_version.restype = POINTER(Version)
        of = self.functions.dnnl_version().contents
        return f"{of.major}.{of.minor}.{of.patch}"

    def stores(self, dtype: str) -> bool:
        """Whether it has passes over this dtype on this CPU."""
        one = polycom.Tensor(0, dtype, (16, 16), (16, 1))
        try:
            return all(self.backward(name, one, one, one) for name in ALGORITHMS)
        except Missing:
            return False

    def forward(self, name: str, x: polycom.Tensor, y: polycom.Tensor) -> Callable[[], None]:
        """What runs an activation on a matrix, to its end."""
        description, like = self._forward(name, x)
        return self._prepared(description, like, {SRC: x, DST: y})

    def backward(
        self, name: str, x: polycom.Tensor, dy: polycom.Tensor, dx: polycom.Tensor
    ) -> Callable[[], None]:
        """What runs its gradient."""
        kind, alpha = ALGORITHMS[name]
        forward, like = self._forward(name, x)
        description = c_void_p()
        numbers = c_int(kind), like, like, like, c_float(alpha), c_float(0), forward, None
        self._call("dnnl_eltwise_backward_primitive_desc_create", byref(description), self.engine, *numbers)
        return self._prepared(description, like, {SRC: x, DIFF_DST: dy, DIFF_SRC: dx})

    def _forward(self, name: str, x: polycom.Tensor) -> tuple[c_void_p, c_void_p]:
        """The description of the forward pass, and that of its matrices."""
        kind, alpha = ALGORITHMS[name]
        sizes, strides = ((c_int64 * len(of))(*of) for of in (x.shape, x.strides))
        like, description = c_void_p(), c_void_p()
        matrix = c_int(len(x.shape)), sizes, c_int(DTYPES[x.dtype]), strides
        self._call("dnnl_memory_desc_create_with_strides", byref(like), *matrix)
        numbers = c_int(FORWARD_TRAINING), c_int(kind), like, like, c_float(alpha), c_float(0), None
        self._call("dnnl_eltwise_forward_primitive_desc_create", byref(description), self.engine, *numbers)
        return description, like

    def _prepared(
        self, description: c_void_p, like: c_void_p, tensors: dict[int, polycom.Tensor]
    ) -> Callable[[], None]:
        primitive = c_void_p()
        self._call("dnnl_primitive_create", byref(primitive), description)
        arguments = (Argument * len(tensors))()
        for place, (argument, tensor) in zip(arguments, tensors.items()):
            memory = c_void_p()
            self._call("dnnl_memory_create", byref(memory), like, self.engine, c_void_p(tensor.address))
            place.argument, place.memory = argument, memory

        def run() -> None:
            self._call("dnnl_primitive_execute", primitive, self.stream, c_int(len(arguments)), arguments)
            self._call("dnnl_stream_wait", self.stream)

        run.tensors = tensors  # their owners must live as long
        return run

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self.functions, name)(*arguments)
        if status != 0:
            said = STATUSES[status] if status < len(STATUSES) else str(status)
            raise Missing(f"{name}: {said}")
