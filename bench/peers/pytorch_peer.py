"""What the scripts that run the transformer in PyTorch share: their options, the model, the line they print."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any, Sequence

import torch
from torch import Tensor

from memory import keep_freed_memory, peak_bytes
from model_config import read_config
from pytorch_model import Transformer
from safetensors_file import read_safetensors
from sampling import Row, percentile, significant


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="FILE", help="JSON: the fields of a ModelConfig")
    parser.add_argument("--parameters", metavar="FILE", help="safetensors; by default they are drawn, by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as PyTorch takes")
    parser.add_argument("--compile", action="store_true", help="by torch.compile, which needs a C++ compiler")
    parser.add_argument(
        "--malloc",
        choices=["reuse", "default"],
        default="reuse",
        help="whether malloc keeps freed memory, which spares PyTorch page faults, or is as the system sets it",
    )


def prepared_model(options: argparse.Namespace) -> Transformer:
    """Sets the process up as its options say, and makes the model."""
    if options.malloc == "reuse" and not keep_freed_memory():
        options.malloc = "default"
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    model = Transformer(read_config(options.config), options.seed)
    if options.parameters is not None:
        model.load(read_safetensors(options.parameters)[0])
    return model


def read_tokens(file: str, kind: str) -> Tensor:
    """The numbers of a file: `u8` (a text's bytes), `u16` or `i32`, in this machine's order of bytes."""
    data = bytearray(Path(file).read_bytes())
    if kind == "u16":
        return torch.frombuffer(data, dtype=torch.int16).long() & 0xFFFF
    return torch.frombuffer(data, dtype={"u8": torch.uint8, "i32": torch.int32}[kind]).long()


def spread(seconds: Sequence[float], prefix: str = "") -> Row:
    """Percentiles, in milliseconds."""
    return {f"{prefix}ms_p{q}": significant(1e3 * percentile(seconds, q / 100)) for q in (20, 50, 80)}


def print_line(options: argparse.Namespace, model: Transformer, figures: dict[str, Any]) -> None:
    """One line of JSON: the figures, and what they are of."""
    line = {
        "peer": "pytorch-compiled" if options.compile else "pytorch-eager",
        "activation": model.config.activation,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "threads": torch.get_num_threads(),
        "malloc": options.malloc,
        **figures,
        "peak_bytes": peak_bytes(),
        "versions": {"python": platform.python_version(), "pytorch": torch.__version__},
    }
    print(json.dumps(line))
