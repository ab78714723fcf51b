"""Reads and writes safetensors, so that PyTorch is all that the peers need: its own package wants NumPy to write.

A file is the length of its header in eight bytes, the header in JSON (dtype, shape and place of each tensor, and texts
under `__metadata__`), and the tensors.
"""

from __future__ import annotations

import ctypes
import json
import struct
from pathlib import Path
from typing import Mapping

import torch
from torch import Tensor

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def read_safetensors(file: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, and the metadata."""
    content = bytearray(Path(file).read_bytes())
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype = DTYPES[entry["dtype"]]
        # A copy: a tensor may begin where its dtype may not. frombuffer refuses what is empty.
        data = content[8 + length + begin : 8 + length + end]
        flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata


def write_safetensors(file: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """The same for the same input, byte for byte."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    parts, offset = [], 0
    for name, tensor in tensors.items():
        data = bytes_of(tensor)
        place = [offset, offset + len(data)]
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": place}
        parts.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(file).write_bytes(b"".join([struct.pack("<Q", len(text)), text, *parts]))


def bytes_of(tensor: Tensor) -> bytes:
    packed = tensor.detach().contiguous()
    return ctypes.string_at(packed.data_ptr(), packed.nbytes)
