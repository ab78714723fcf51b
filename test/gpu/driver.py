"""The part of CUDA's driver API that the library's own functions leave out: streams of someone else's, graphs, clocks."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_uint, c_uint64, c_void_p
from typing import Any, Callable

NON_BLOCKING = 1
CAPTURE_THREAD_LOCAL = 1


class DriverError(RuntimeError):
    """No driver, or what it refused."""


class Driver:
    """libcuda, with a device's primary context current: the one that the runtime in libpolycom uses."""

    SIGNATURES: dict[str, tuple[Any, ...]] = {
        "cuInit": (c_uint,),
        "cuDeviceGetCount": (POINTER(c_int),),
        "cuDeviceGet": (POINTER(c_int), c_int),
        "cuDevicePrimaryCtxRetain": (POINTER(c_void_p), c_int),
        "cuCtxSetCurrent": (c_void_p,),
        "cuStreamCreate": (POINTER(c_void_p), c_uint),
        "cuStreamDestroy_v2": (c_void_p,),
        "cuStreamSynchronize": (c_void_p,),
        "cuEventCreate": (POINTER(c_void_p), c_uint),
        "cuEventRecord": (c_void_p, c_void_p),
        "cuEventSynchronize": (c_void_p,),
        "cuEventElapsedTime": (POINTER(c_float), c_void_p, c_void_p),
        "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
        "cuDeviceGetName": (c_char_p, c_int, c_int),
        "cuStreamBeginCapture_v2": (c_void_p, c_int),
        "cuStreamEndCapture": (c_void_p, POINTER(c_void_p)),
        "cuGraphInstantiateWithFlags": (POINTER(c_void_p), c_void_p, c_uint64),
        "cuGraphLaunch": (c_void_p, c_void_p),
        "cuGraphExecDestroy": (c_void_p,),
        "cuGraphDestroy": (c_void_p,),
        "cuGetErrorName": (c_int, POINTER(c_char_p)),
    }

    def __init__(self) -> None:
        try:
            self.functions = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise DriverError(f"there is no CUDA driver ({error})") from error
        for name, types in self.SIGNATURES.items():
            function = getattr(self.functions, name)
            function.argtypes, function.restype = types, c_int
        self.call("cuInit", 0)

    def device_count(self) -> int:
        count = c_int()
        self.call("cuDeviceGetCount", byref(count))
        return count.value

    def use(self, index: int) -> None:
        """Makes a device's primary context this thread's."""
        device, context = c_int(), c_void_p()
        self.call("cuDeviceGet", byref(device), index)
        self.call("cuDevicePrimaryCtxRetain", byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def architecture(self, index: int) -> int:
        """90 for compute capability 9.0."""
        major, minor = (self._attribute(index, attribute) for attribute in (75, 76))
        return 10 * major + minor

    def multiprocessors(self, index: int) -> int:
        return self._attribute(index, 16)

    def l2_bytes(self, index: int) -> int:
        return self._attribute(index, 38)

    def name(self, index: int) -> str:
        device, text = c_int(), ctypes.create_string_buffer(256)
        self.call("cuDeviceGet", byref(device), index)
        self.call("cuDeviceGetName", text, len(text), device)
        return text.value.decode()

    def event(self) -> c_void_p:
        """A moment of a stream's work; it lives as long as the process."""
        event = c_void_p()
        self.call("cuEventCreate", byref(event), 0)
        return event

    def milliseconds(self, stream: int, start: c_void_p, end: c_void_p, work: Callable[[], None]) -> float:
        """How long a stream takes for what `work` puts on it."""
        self.call("cuEventRecord", start, stream)
        work()
        self.call("cuEventRecord", end, stream)
        self.call("cuEventSynchronize", end)
        elapsed = c_float()
        self.call("cuEventElapsedTime", byref(elapsed), start, end)
        return elapsed.value

    def _attribute(self, index: int, attribute: int) -> int:
        device, value = c_int(), c_int()
        self.call("cuDeviceGet", byref(device), index)
        self.call("cuDeviceGetAttribute", byref(value), attribute, device)
        return value.value

    def stream(self) -> int:
        stream = c_void_p()
        self.call("cuStreamCreate", byref(stream), NON_BLOCKING)
        return stream.value or 0

    def destroy_stream(self, stream: int) -> None:
        self.call("cuStreamDestroy_v2", stream)

    def capture(self, stream: int, work: Callable[[], None]) -> Graph:
        """What `work` puts on the stream, as a graph, without running it."""
        self.call("cuStreamBeginCapture_v2", stream, CAPTURE_THREAD_LOCAL)
        graph = c_void_p()
        try:
            work()
        finally:
            self.call("cuStreamEndCapture", stream, byref(graph))
        executable = c_void_p()
        self.call("cuGraphInstantiateWithFlags", byref(executable), graph, 0)
        return Graph(self, graph, executable)

    def call(self, name: str, *arguments: Any) -> None:
        status = getattr(self.functions, name)(*arguments)
        if status != 0:
            text = c_char_p()
            self.functions.cuGetErrorName(status, byref(text))
            raise DriverError(f"{name}: {(text.value or b'error').decode()} ({status})")


class Graph:
    """Captured work, ready to be launched again and again."""

    def __init__(self, driver: Driver, graph: c_void_p, executable: c_void_p) -> None:
        self.driver, self.graph, self.executable = driver, graph, executable

    def launch(self, stream: int) -> None:
        self.driver.call("cuGraphLaunch", self.executable, stream)

    def destroy(self) -> None:
        self.driver.call("cuGraphExecDestroy", self.executable)
        self.driver.call("cuGraphDestroy", self.graph)


def gpu_problem() -> str | None:
    """Why no CUDA device can be used here, if none can."""
    try:
        return None if Driver().device_count() > 0 else "the CUDA driver has no device"
    except (DriverError, AttributeError) as error:
        return str(error)
