"""The memory of this process."""

from __future__ import annotations

import ctypes
import resource
import sys


def keep_freed_memory() -> bool:
    """Has glibc's malloc neither map large blocks afresh nor give freed ones back: what a tuned allocator does."""
    mmap_max, trim_threshold = -4, -1
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(mmap_max, 0) == 1 and mallopt(trim_threshold, -1) == 1


def peak_bytes() -> int:
    """The most that was resident at once since the process began."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

