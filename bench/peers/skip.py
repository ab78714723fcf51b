"""For scripts that need PyTorch: called before anything imports it."""

from __future__ import annotations

import sys
import warnings


def skip_without_torch(script: str) -> None:
    """Ends the process, with a line that says why and status 0, where PyTorch cannot be imported."""
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")  # which nothing here uses
    try:
        import torch  # noqa: F401
    except ImportError as error:
        remedy = "npm run bench:peers -- --install"
        print(f"{script}: skipped: PyTorch cannot be imported ({error}); remedy: {remedy}")
        sys.exit(0)
