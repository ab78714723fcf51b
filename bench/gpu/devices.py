"""The device that a script without PyTorch measures: this machine's GPU by its own clock, or the tests' emulator."""

from __future__ import annotations

import time
from typing import Any, Callable, Union

import polycom
from driver import Driver


class Gpu:
    """The first CUDA device, on a stream of its own, timed by its own clock over graphs."""

    kind = "cuda"

    def __init__(self, library: polycom.Library) -> None:
        self.driver = Driver()
        self.driver.use(0)
        self.stream = self.driver.stream()
        self.queue = library.adopt(self.stream)
        self.architecture, self.name = self.driver.architecture(0), self.driver.name(0)
        self.multiprocessors, self.l2_bytes = self.driver.multiprocessors(0), self.driver.l2_bytes(0)
        self._events = self.driver.event(), self.driver.event()

    def prepared(self, work: Callable[[], None]) -> Callable[[], float]:
        """Milliseconds of `work`, which is captured now, whenever it is called."""
        work()
        self.queue.synchronize()
        graph = self.driver.capture(self.stream, work)
        return lambda: self.driver.milliseconds(self.stream, *self._events, lambda: graph.launch(self.stream))

    def describe(self) -> dict[str, Any]:
        """For a document's machine."""
        return {"gpu": self.name, "gpu_l2_mb": round(self.l2_bytes / 2**20), "gpu_sms": self.multiprocessors}


class Emulated:
    """The CUDA kernels on the tests' emulator: times that say nothing, but everything runs."""

    kind = "emulated"
    architecture, name = 90, "emulated on the CPU"
    stream, l2_bytes = 0, 0

    def __init__(self, library: polycom.Library) -> None:
        self.queue = library.queue("cuda")

    def prepared(self, work: Callable[[], None]) -> Callable[[], float]:
        def run() -> float:
            began = time.perf_counter()
            work()
            return (time.perf_counter() - began) * 1e3

        return run

    def describe(self) -> dict[str, Any]:
        return {"gpu": f"none: {self.name}"}


Device = Union[Gpu, Emulated]


def open_device(library: polycom.Library, kind: str) -> Device:
    return Gpu(library) if kind == "cuda" else Emulated(library)
