"""The contenders of an activation at a shape, each over sets of buffers in turn: this package's kernels, and PyTorch's
and Liger-Kernel's ways to the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Sequence

import torch
from torch import Tensor
from torch._inductor import config as inductor_config

import polycom
from cases import FUSED_BOUND, PEER_BOUNDS, TORCH_DTYPES, Case, Expected, disagreement
from gpu_device import Device, Launch
from gpu_grid import AUTOTUNED, COMPILED, EAGER_F32
from liger import Kernels
from tensors import view
from sampling import Row

COMPILERS: dict[str, dict[str, bool]] = {
    COMPILED: {},
    AUTOTUNED: {"max_autotune": True, "coordinate_descent_tuning": True},
}
"""torch.compile's options by the peer; those of the second are what mode max-autotune-no-cudagraphs sets."""
MIXED_ORDER = ("triton.mix_order_reduction", "triton.mix_order_reduction_autotune_split_size")
"""What else the second has, where this PyTorch knows it: a backward pass whose sums go over the rows and over the
columns reads its inputs once."""
Outputs = Sequence[Tensor]


@dataclass
class Contender:
    """Something that is timed."""

    identity: Row
    bytes: int
    """That a launch cannot avoid moving."""
    check: Callable[[], "str | None"]
    launch: Launch
    """Does its work on a set of buffers, and returns what it has allocated for that."""
    restore: Callable[[], None] = lambda: None
    """Puts back what the launches overwrite."""


def compiler_options(name: str) -> dict[str, bool]:
    mixed = MIXED_ORDER if name == AUTOTUNED else ()
    return {**COMPILERS[name], **{option: True for option in mixed if is_option(option)}}


def is_option(name: str) -> bool:
    """Whether this PyTorch's compiler has it."""
    place: Any = inductor_config
    for part in name.split("."):
        place = getattr(place, part, None)
    return place is not None


class Buffers:
    """The inputs of a case, several times over, so that no launch finds its own in the cache."""

    def __init__(self, case: Case, sets: int) -> None:
        self.case, self.sets = case, sets
        self.matrices: dict[str, Tensor] = {}

    def inputs(self, index: int) -> list[Tensor]:
        return [self.one(name, index) for name in self.case.activation.inputs]

    def dy(self, index: int) -> Tensor:
        return self.one("dy", index)

    def one(self, name: str, index: int) -> Tensor:
        first = self.case.data.input(name)
        if name in ("weight", "bias"):
            return first
        if name not in self.matrices:
            self.matrices[name] = copies(first, self.sets)
        return self.matrices[name][index]


def copies(tensor: Tensor, count: int) -> Tensor:
    return tensor.unsqueeze(0).expand(count, *tensor.shape).contiguous()


class Contenders:
    """Makes the contenders of a case that are to be timed together."""

    def __init__(self, device: Device, queue: polycom.Queue, case: Case, sets: int) -> None:
        self.device, self.queue, self.case = device, queue, case
        self.buffers = Buffers(case, sets)
        self.sets = sets

    def copy(self) -> list[Contender]:
        """The yardsticks: PyTorch's copy, and ours."""
        name = self.case.activation.inputs[0]
        x = self.case.data.input(name)
        into = torch.empty((self.sets, *x.shape), dtype=x.dtype, device=x.device)
        calls = [
            self.queue.prepare("copy", [view(self.buffers.one(name, i))], [view(into[i])], [0])
            for i in range(self.sets)
        ]
        ways: dict[str, Launch] = {
            "torch copy_": lambda i: into[i].copy_(self.buffers.one(name, i)),
            "cudaMemcpyAsync": lambda i: calls[i].run(),
        }
        return [self._copy(method, launch, into, name) for method, launch in ways.items()]

    def own(self, direction: str) -> Contender:
        """This package's kernels, into outputs that exist."""
        case, buffers = self.case, self.buffers
        activation = case.activation
        expected = [case.y] if direction == "forward" else list(case.gradients)
        outputs = [self._outputs(expected) for _ in range(self.sets)]
        scalars = list(activation.scalars.values())
        calls = []
        for i in range(self.sets):
            inputs = [*buffers.inputs(i), *([] if direction == "forward" else [buffers.dy(i)])]
            views = [view(tensor) for tensor in inputs], [view(tensor) for tensor in outputs[i]]
            calls.append(self.queue.prepare(f"{activation.native}_{direction}", *views, scalars))

        def run(index: int) -> Outputs:
            calls[index].run()
            return outputs[index]

        check = self._checked(run, expected, FUSED_BOUND)
        return Contender(self._identity(direction, "native", "fused"), case.bytes(direction), check, run)

    def peer(self, name: str, direction: str) -> Contender:
        """PyTorch by its users' means. Backward is what autograd calls, without forward or accumulation."""
        case, buffers = self.case, self.buffers
        formula = self.formula(name)

        def forward(index: int) -> Outputs:
            with torch.no_grad():
                return (formula(*buffers.inputs(index)),)

        # The graphs of backward exist before it is timed, one a set.
        graphs: dict[int, tuple[list[Tensor], Tensor]] = {}

        def backward(index: int) -> Outputs:
            if index not in graphs:
                leaves = [tensor.detach().requires_grad_() for tensor in buffers.inputs(index)]
                graphs[index] = leaves, formula(*leaves)
            leaves, y = graphs[index]
            return torch.autograd.grad(y, leaves, buffers.dy(index), retain_graph=True)

        def prepared(index: int) -> Outputs:
            for each in range(self.sets):
                if each not in graphs:
                    backward(each)
            return backward(index)

        expected = [case.y] if direction == "forward" else list(case.gradients)
        launch = forward if direction == "forward" else backward
        check = self._checked(forward if direction == "forward" else prepared, expected, self._peer_bound())
        return Contender(self._identity(direction, "pytorch", f"peer:{name}"), case.bytes(direction), check, launch)

    def liger(self, name: str, kernels: Kernels, direction: str, launches: int) -> Contender:
        """Liger's kernels. Where backward overwrites its inputs, each launch has its own, which are put back."""
        case, buffers = self.case, self.buffers
        identity = self._identity(direction, "pytorch", f"peer:{name}")
        moved = case.bytes(direction)
        if direction == "forward":

            def forward(index: int) -> Outputs:
                return kernels.forward(*buffers.inputs(index))

            return Contender(identity, moved, self._checked(forward, [case.y], self._peer_bound()), forward)
        own = {role: copies(case.data.input(role), launches) for role in kernels.overwrites}
        saved: dict[int, tuple[Any, ...]] = {}
        turn = [0]

        def backward(index: int) -> Outputs:
            at = turn[0] % launches
            turn[0] += 1
            key = at if set(kernels.overwrites) - {"dy"} else index
            if key not in saved:
                saved[key] = kernels.save(*self._with(own, at, index))
            dy = own["dy"][at] if "dy" in own else buffers.dy(index)
            return kernels.backward(dy, *saved[key])

        def prepared(index: int) -> Outputs:
            restore()
            for each in range(launches if set(kernels.overwrites) - {"dy"} else self.sets):
                if each not in saved:
                    saved[each] = kernels.save(*self._with(own, each, each % self.sets))
            return backward(index)

        def restore() -> None:
            turn[0] = 0
            for role, tensors in own.items():
                tensors.copy_(case.data.input(role).unsqueeze(0).expand_as(tensors))

        check = self._checked(prepared, list(case.gradients), self._peer_bound())
        return Contender(identity, moved, check, backward, restore if own else lambda: None)

    def calls(self, variant: str, backend: str, run: Launch) -> Contender:
        """Forward and backward as a user calls them, for the time on the host's clock."""
        moved = self.case.bytes("forward_backward")
        return Contender(self._identity("forward_backward", backend, variant), moved, lambda: None, run)

    def user_call(self, formula: Callable[..., Tensor]) -> Launch:
        """Forward and backward through autograd."""
        buffers = self.buffers

        def run(index: int) -> Outputs:
            leaves = [tensor.detach().requires_grad_() for tensor in buffers.inputs(index)]
            return torch.autograd.grad(formula(*leaves), leaves, buffers.dy(index))

        return run

    def formula(self, name: str) -> Callable[..., Tensor]:
        formula = self.case.activation.formula
        if name in COMPILERS:
            return torch.compile(formula, dynamic=False, fullgraph=True, options=compiler_options(name))
        if name == EAGER_F32:
            return lambda *inputs: formula(*(tensor.float() for tensor in inputs)).to(inputs[0].dtype)
        return formula

    def _with(self, own: dict[str, Tensor], at: int, index: int) -> list[Tensor]:
        names = self.case.activation.inputs
        return [own[name][at] if name in own else self.buffers.one(name, index) for name in names]

    def _copy(self, method: str, launch: Launch, into: Tensor, name: str) -> Contender:
        def check() -> str | None:
            into.fill_(float("nan"))
            launch(self.sets - 1)
            self.device.synchronize()
            same = torch.equal(into[self.sets - 1], self.buffers.one(name, self.sets - 1))
            return None if same else "the copy differs from x"

        backend = "pytorch" if method.startswith("torch") else "native"
        row = {"op": "copy", "label": "copy", "pass": "copy", **self._place(backend), "variant": "copy"}
        return Contender({**row, "method": method}, 2 * into[0].nbytes, check, launch)

    def _checked(self, run: Launch, expected: Sequence[Expected], bound: float) -> Callable[[], "str | None"]:
        def check() -> str | None:
            # The last set as well as the first: a view that is off by a set would not show in one of them.
            for index in {0, self.sets - 1}:
                outputs = run(index)
                self.device.synchronize()
                problem = disagreement(outputs, expected, bound)
                if problem is not None:
                    return problem
            return None

        return check

    def _outputs(self, expected: Sequence[Expected]) -> list[Tensor]:
        device = self.case.data.device
        return [
            torch.full(wanted.shape, float("nan"), dtype=TORCH_DTYPES[wanted.dtype], device=device)
            for wanted in expected
        ]

    def _peer_bound(self) -> float:
        return PEER_BOUNDS[self.case.data.dtype]

    def _identity(self, direction: str, backend: str, variant: str) -> Row:
        activation = self.case.activation
        op = {"op": activation.name, "label": activation.label, "pass": direction}
        return {**op, **self._place(backend), "variant": variant}

    def _place(self, backend: str) -> Row:
        shape = self.case.data.shape
        place = {"rows": shape.rows, "cols": shape.cols, "dtype": self.case.data.dtype}
        return {**place, "device": self.device.name, "backend": backend}
