"""PyTorch's tensors as the C ABI takes them."""

from __future__ import annotations

import torch

import polycom

DTYPES = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}


def view(tensor: torch.Tensor) -> polycom.Tensor:
    """The same memory."""
    return polycom.Tensor(tensor.data_ptr(), DTYPES[tensor.dtype], tensor.shape, tensor.stride(), owner=tensor)
