"""libpolycom's C ABI (native/include/polycom.h) through ctypes. It knows no PyTorch: a tensor is an address."""

from __future__ import annotations

import ctypes
import json
from ctypes import POINTER, byref, c_char_p, c_double, c_int32, c_int64, c_void_p
from functools import lru_cache
from typing import Any, Callable, NamedTuple, Sequence

ABI_VERSION = 7
MAX_RANK = 8
MAX_SCALARS = 8
DTYPES = ("f32", "f16", "bf16", "i32")
"""In the order of pc_dtype."""
DEVICES = ("cpu", "cuda")


class PolycomError(RuntimeError):
    """What the library, or loading it, refused."""


class TensorView(ctypes.Structure):
    """pc_tensor."""

    _fields_ = [
        ("data", c_void_p),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("shape", c_int64 * MAX_RANK),
        ("strides", c_int64 * MAX_RANK),
    ]


class Arguments(ctypes.Structure):
    """pc_args."""

    _fields_ = [
        ("size", c_int64),
        ("n_inputs", c_int32),
        ("n_outputs", c_int32),
        ("n_scalars", c_int32),
        ("reserved", c_int32),
        ("scalars", c_double * MAX_SCALARS),
        ("workspace", c_void_p),
        ("workspace_size", c_int64),
    ]


@lru_cache(maxsize=None)
def block_type(count: int) -> type[ctypes.Structure]:
    """An argument block of `count` tensors: the same plain bytes for every op."""
    fields = [("arguments", Arguments), ("tensors", TensorView * count)]
    return type(f"Block{count}", (ctypes.Structure,), {"_fields_": fields})


class Tensor(NamedTuple):
    """A view of memory on the queue's device; sizes and strides count elements."""

    address: int
    dtype: str
    shape: Sequence[int]
    strides: Sequence[int]
    owner: Any = None
    """What must live as long as a call that uses the memory."""


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a tensor of this shape without gaps."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return tuple(strides)


class Library:
    """A loaded libpolycom."""

    def __init__(self, path: str) -> None:
        try:
            self.functions = ctypes.CDLL(path)
            version = self.functions.pc_abi_version()
        except (OSError, AttributeError) as error:
            raise PolycomError(f"{path} is no libpolycom: {error}") from error
        if version != ABI_VERSION:
            raise PolycomError(f"{path} has ABI version {version}; expected {ABI_VERSION}")

    def build_info(self) -> dict[str, Any]:
        """What the library says of itself: version, simd, cpus, cuda, cuda_architectures."""
        return json.loads(self._text("pc_build_info"))

    def device_count(self, device: str) -> int:
        """How many devices of a kind can be used now."""
        return self.functions.pc_device_count(DEVICES.index(device))

    def queue(self, device: str = "cpu", index: int = 0, threads: int = 0) -> Queue:
        """A queue of our own. Of the CPU with at most `threads`, 0 for every CPU that this process may use."""
        queue = c_void_p()
        self.check(self.functions.pc_queue_create(DEVICES.index(device), index, threads, byref(queue)))
        return Queue(self, queue)

    def adopt(self, stream: int, index: int = 0) -> Queue:
        """A queue over a CUDA stream of someone else's, which must outlive it."""
        queue = c_void_p()
        adopt = self.function("pc_queue_adopt", c_int32, c_void_p, POINTER(c_void_p))
        self.check(adopt(index, stream, byref(queue)))
        return Queue(self, queue)

    def check(self, status: int) -> None:
        """Raises this thread's last failure unless the status is PC_OK."""
        if status != 0:
            raise PolycomError(f"status {status}: {self._text('pc_last_error')}")

    def function(self, name: str, *types: Any) -> Any:
        """A function of the header that returns a status."""
        try:
            function = self.functions[name]  # by index: an object of its own for each caller
        except AttributeError as error:
            raise PolycomError(f"this library has no {name}") from error
        function.argtypes, function.restype = types, c_int32
        return function

    def _text(self, name: str) -> str:
        function = self.functions[name]
        function.argtypes, function.restype = (c_char_p, c_int64), c_int64
        buffer = ctypes.create_string_buffer(function(None, 0) + 1)
        function(buffer, len(buffer))
        return buffer.value.decode()


class Queue:
    """A device and its order of work. Close it once its calls are done with."""

    def __init__(self, library: Library, address: c_void_p) -> None:
        self.library = library
        self.address = address
        self._workspaces: list[int] = []

    def prepare(
        self,
        op: str,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        scalars: Sequence[float] = (),
        workspace: Callable[[int], int] | None = None,
    ) -> Call:
        """Checks and encodes a call of an op of the header, such as polynorm_forward. `workspace` gives the address of
        so many bytes; by default they are the queue's, until it is closed."""
        block = self._planned(op, inputs, len(outputs), scalars)
        for view, tensor in zip(block.tensors[len(inputs) :], outputs):
            encode(view, tensor)
        arguments = block.arguments
        arguments.workspace = (workspace or self._own_workspace)(arguments.workspace_size) or None
        run = self.library.function(f"pc_{op}", c_void_p, POINTER(type(block)))
        return Call(self, run, block, (*inputs, *outputs))

    def plan(
        self, op: str, inputs: Sequence[Tensor], outputs: int, scalars: Sequence[float] = ()
    ) -> list[tuple[str, tuple[int, ...]]]:
        """The dtypes and shapes of so many outputs, all that the op has."""
        block = self._planned(op, inputs, outputs, scalars)
        views = block.tensors[len(inputs) :]
        return [(DTYPES[view.dtype], tuple(view.shape[: view.rank])) for view in views]

    def synchronize(self) -> None:
        """Waits for the queue's work."""
        self.library.check(self.library.function("pc_queue_synchronize", c_void_p)(self.address))

    def allocate(self, size: int) -> int:
        """The address of so many bytes on the queue's device, holding anything; 0 for none. Free them with `free`."""
        memory = c_void_p()
        allocate = self.library.function("pc_memory_allocate", c_void_p, c_int64, POINTER(c_void_p))
        self.library.check(allocate(self.address, size, byref(memory)))
        return memory.value or 0

    def free(self, address: int) -> None:
        """Frees what `allocate` gave, once the work queued before is done."""
        self.library.check(self.library.function("pc_memory_free", c_void_p)(address))

    def copy(self, to: int, source: int, size: int) -> None:
        """Copies in the queue's order, from and to host memory or memory on the queue's device."""
        copy = self.library.function("pc_memory_copy", c_void_p, c_void_p, c_void_p, c_int64)
        self.library.check(copy(self.address, to, source, size))

    def close(self) -> None:
        """Frees the workspaces of its calls, and the queue."""
        while self._workspaces:
            self.free(self._workspaces.pop())
        self.library.check(self.library.function("pc_queue_destroy", c_void_p)(self.address))
        self.address = c_void_p()

    def _planned(self, op: str, inputs: Sequence[Tensor], outputs: int, scalars: Sequence[float]) -> ctypes.Structure:
        """A block of arguments that the op has checked, and whose outputs and workspace it has described."""
        block = block_type(len(inputs) + outputs)()
        arguments = block.arguments
        arguments.size = ctypes.sizeof(block)
        arguments.n_inputs, arguments.n_outputs = len(inputs), outputs
        arguments.n_scalars = len(scalars)
        arguments.scalars[: len(scalars)] = list(scalars)
        for view, tensor in zip(block.tensors, inputs):
            encode(view, tensor)
        plan = self.library.function(f"pc_{op}_plan", c_void_p, POINTER(type(block)))
        self.library.check(plan(self.address, byref(block)))
        return block

    def _own_workspace(self, size: int) -> int:
        address = self.allocate(size)
        if address:
            self._workspaces.append(address)
        return address

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Call:
    """An op with its arguments checked and encoded; it keeps the owners of its tensors alive."""

    def __init__(self, queue: Queue, run: Any, block: ctypes.Structure, tensors: Sequence[Tensor]) -> None:
        self._queue = queue
        self._run = run
        self._block = block
        self._pointer = byref(block)
        self._tensors = tensors

    def run(self) -> None:
        """Runs the op on what its inputs hold now; on CUDA it returns once the work is queued."""
        status = self._run(self._queue.address, self._pointer)
        if status != 0:
            self._queue.library.check(status)


def encode(view: TensorView, tensor: Tensor) -> None:
    """Writes a tensor into an argument block."""
    rank = len(tensor.shape)
    if rank > MAX_RANK or len(tensor.strides) != rank:
        raise PolycomError(f"shape {tensor.shape} with strides {tensor.strides}; expected as many, up to {MAX_RANK}")
    view.data, view.dtype, view.rank = tensor.address, DTYPES.index(tensor.dtype), rank
    view.shape[:rank], view.strides[:rank] = list(tensor.shape), list(tensor.strides)
