"""Liger-Kernel's Triton kernels, called as its autograd functions call them. It comes from a wheel that is named, or is
installed; none of it is part of this package."""

from __future__ import annotations

import atexit
import sys
import tempfile
import zipfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Callable, NamedTuple, Sequence

from torch import Tensor

from activations import EPSILON

Pass = Callable[..., Sequence[Tensor]]


class Kernels(NamedTuple):
    """Of one activation. `save` gives what `backward` takes beside dy, from what `forward` takes."""

    forward: Pass
    save: Callable[..., tuple[Any, ...]]
    backward: Pass
    overwrites: tuple[str, ...] = ()
    """The inputs that backward writes its gradients into."""
    apply: Callable[..., Tensor] | None = None
    """Forward through autograd, as its users call it, where that is timed."""


def add_wheel(path: str | None) -> None:
    """Makes a wheel importable, or the newest wheel in a folder, or an unpacked one. It is unpacked until the process
    ends: Triton reads the source of what it compiles, and not every folder of it is a package that a zip file can hold.
    """
    if path is None:
        return
    given = Path(path)
    wheels = sorted(given.glob("liger_kernel-*.whl")) if given.is_dir() else [given]
    if not wheels:
        sys.path.insert(0, str(given))
        return
    unpacked = tempfile.TemporaryDirectory(prefix="liger-")
    atexit.register(unpacked.cleanup)
    with zipfile.ZipFile(wheels[-1]) as archive:
        archive.extractall(unpacked.name)
    sys.path.insert(0, unpacked.name)


def load(in_place: bool) -> dict[str, Kernels]:
    """The kernels by the activation's name.

    :raises ImportError: where there is no Liger-Kernel, or no Triton
    """
    from liger_kernel.ops.poly_norm import LigerPolyNormFunction, poly_norm_backward, poly_norm_forward
    from liger_kernel.ops.relu_squared import relu_squared_backward, relu_squared_forward
    from liger_kernel.ops.swiglu import swiglu_backward, swiglu_forward

    def polynorm_save(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Any, ...]:
        _, flat, rstd, block, warps = poly_norm_forward(x, weight, bias, EPSILON)
        return flat, weight, rstd, block, warps

    def polynormglu_save(gate: Tensor, up: Tensor, weight: Tensor, bias: Tensor) -> tuple[Any, ...]:
        y, flat, rstd, block, warps = poly_norm_forward(gate, weight, bias, EPSILON)
        return y, up, (flat, weight, rstd, block, warps)

    def polynormglu_backward(dy: Tensor, y: Tensor, up: Tensor, saved: tuple[Any, ...]) -> Sequence[Tensor]:
        # The product is fresh memory, which may be written whether dy may or not.
        dgate, dweight, dbias = poly_norm_backward(dy * up, *saved, True)
        return dgate, dy * y, dweight, dbias

    def polynorm_apply(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return LigerPolyNormFunction.apply(x, weight, bias, EPSILON, False)

    polynorm = Kernels(
        lambda x, weight, bias: poly_norm_forward(x, weight, bias, EPSILON)[:1],
        polynorm_save,
        lambda dy, *saved: poly_norm_backward(dy, *saved, in_place),
        ("dy",) if in_place else (),
        None if in_place else polynorm_apply,
    )
    if in_place:
        return {"polynorm": polynorm}
    return {
        "polynorm": polynorm,
        "polynormglu": Kernels(
            lambda gate, up, weight, bias: (poly_norm_forward(gate, weight, bias, EPSILON)[0] * up,),
            polynormglu_save,
            polynormglu_backward,
            apply=lambda gate, up, weight, bias: polynorm_apply(gate, weight, bias) * up,
        ),
        "relu2": Kernels(
            lambda x: (relu_squared_forward(x),), lambda x: (x,), lambda dy, x: (relu_squared_backward(x, dy),)
        ),
        "swiglu": Kernels(
            lambda gate, up: swiglu_forward(gate, up)[2:],
            lambda gate, up: (gate, up),
            lambda dy, gate, up: swiglu_backward(gate, up, dy),
            ("gate", "up"),
        ),
    }


def versions() -> dict[str, str]:
    """Of Liger-Kernel and Triton, as their distributions say."""
    wanted = ("liger-kernel", "triton")
    found = {(each.metadata["Name"] or "").replace("_", "-"): each.version for each in distributions()}
    return {name: found.get(name, "unknown") for name in wanted}
