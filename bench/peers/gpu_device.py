"""A GPU as PyTorch has it; and, for tests on a machine without one, the host in its place."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from contextlib import nullcontext
from typing import Any, Callable, ContextManager, Union

import torch

import polycom

COLD = 4
"""How many times the L2 cache what a graph's launches touch must hold, for each to find it cold."""
Launch = Callable[[int], Any]
"""Puts a contender's work on a set of buffers into the current stream."""


class Replay:
    """Launches that a graph holds, or that are made anew each time."""

    def __init__(self, run: Callable[[], None], launches: int, method: str, owner: Any = None) -> None:
        self.run, self.launches, self.method = run, launches, method
        self.owner = owner


class Gpu:
    """The first CUDA device, on a stream of its own."""

    name = "cuda"
    torch_device = "cuda"

    def __init__(self, library: polycom.Library) -> None:
        self.library = library
        self.properties = torch.cuda.get_device_properties(0)
        self.cache = self.properties.L2_cache_size
        self.stream = torch.cuda.Stream()
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        with self.current():
            # Work ahead of what is timed, so that the device need not wait for the host to launch that.
            self._filler = torch.empty(COLD * self.cache, dtype=torch.uint8, device="cuda")

    def current(self) -> ContextManager[Any]:
        return torch.cuda.stream(self.stream)

    def queue(self) -> polycom.Queue:
        return self.library.adopt(self.stream.cuda_stream)

    def synchronize(self) -> None:
        torch.cuda.synchronize()

    def capture(self, launch: Launch, launches: int, sets: int) -> Replay:
        """A graph of so many launches, over the sets in turn; or, where that fails, the launches themselves."""
        for index in range(min(sets, 3)):
            launch(index)
        self.synchronize()
        graph = torch.cuda.CUDAGraph()
        # What launches return lives until its set's next turn: freed memory would be reused, and be in the cache.
        kept: deque[Any] = deque(maxlen=sets)
        try:
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                for index in range(launches):
                    kept.append(launch(index % sets))
        except RuntimeError as error:
            kept.clear()
            self.synchronize()
            reason = (str(error).splitlines() or ["?"])[0][:120]
            return Replay(lambda: run_all(launch, launches, sets, kept), launches, f"no graph: {reason}")
        return Replay(graph.replay, launches, "graph", (graph, kept))

    def time(self, replay: Replay) -> float:
        """Milliseconds a launch."""
        start, end = self._events
        self._filler.zero_()
        start.record(self.stream)
        replay.run()
        end.record(self.stream)
        end.synchronize()
        return start.elapsed_time(end) / replay.launches

    def launches_for(self, moved: int, sets: int) -> int:
        """Twenty, and as many as fill half a millisecond: a launch takes 3 us and more, and memory 4 TB/s at most."""
        seconds = 3e-6 + moved / 4e12
        wanted = min(256, max(20, int(5e-4 / seconds)))
        return max(sets, wanted)

    def sets_for(self, matrix: int) -> int:
        """How many sets of buffers keep a copy of a matrix of so many bytes out of the cache, up to 64."""
        return max(2, min(64, -(-COLD * self.cache // (2 * matrix))))

    def is_cold(self, matrix: int, sets: int) -> bool:
        return sets * 2 * matrix >= COLD * self.cache

    def describe(self) -> dict[str, Any]:
        return {
            "gpu": self.properties.name,
            "gpu_memory_gb": round(self.properties.total_memory / 1e9),
            "gpu_l2_mb": round(self.cache / 2**20),
            "gpu_sms": self.properties.multi_processor_count,
            "gpu_driver": smi("driver_version") or "?",
        }

    def state(self) -> str:
        """The clocks and what else may explain a time."""
        names = ("clocks.sm", "clocks.mem", "temperature.gpu", "power.draw")
        found = smi(",".join(names)) or "nvidia-smi says nothing"
        return f"{', '.join(names)}: {found}"


class Host:
    """Runs everything on the CPU: with the CPU kernels, or with the CUDA kernels on the tests' emulator."""

    torch_device = "cpu"
    cache = 0

    def __init__(self, library: polycom.Library, name: str) -> None:
        self.library, self.name = library, name

    def current(self) -> ContextManager[Any]:
        return nullcontext()

    def queue(self) -> polycom.Queue:
        return self.library.queue("cpu" if self.name == "cpu" else "cuda")

    def synchronize(self) -> None:
        pass

    def capture(self, launch: Launch, launches: int, sets: int) -> Replay:
        kept: deque[Any] = deque(maxlen=sets)
        for index in range(sets):
            launch(index)
        return Replay(lambda: run_all(launch, launches, sets, kept), launches, "loop", kept)

    def time(self, replay: Replay) -> float:
        began = time.perf_counter()
        replay.run()
        return (time.perf_counter() - began) * 1e3 / replay.launches

    def launches_for(self, moved: int, sets: int) -> int:
        return sets

    def sets_for(self, matrix: int) -> int:
        return 2

    def is_cold(self, matrix: int, sets: int) -> bool:
        return True

    def describe(self) -> dict[str, Any]:
        return {"gpu": f"none: {'emulated on the CPU' if self.name == 'emulated' else 'the CPU in its place'}"}

    def state(self) -> str:
        return "no GPU: these times say nothing of one"


def run_all(launch: Launch, launches: int, sets: int, kept: deque[Any]) -> None:
    for index in range(launches):
        kept.append(launch(index % sets))


def smi(query: str) -> str | None:
    """What nvidia-smi says of the first device."""
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return text.splitlines()[0].strip() if text.strip() else None


Device = Union[Gpu, Host]


def device_problem(name: str) -> str | None:
    """Why a device cannot be used here, if it cannot."""
    if name != "cuda" or torch.cuda.is_available():
        return None
    return f"PyTorch {torch.__version__} finds no CUDA device"


def open_device(library: polycom.Library, name: str) -> Device:
    return Gpu(library) if name == "cuda" else Host(library, name)
