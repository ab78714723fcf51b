#!/usr/bin/env python3
"""Generates with the transformer in PyTorch on the CPU, greedily and with a key-value cache, and prints one line of
JSON: `prefill_tok_per_s`, of reading the prompts, `decode_tok_per_s`, of what follows, a token of each prompt a step,
and the `tokens` themselves. Without PyTorch it says so, and ends with status 0."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Callable

from skip import skip_without_torch

skip_without_torch("peers")

import torch
from torch import Tensor

from model_config import ConfigError
from pytorch_model import Cache, Transformer
from pytorch_peer import add_options, prepared_model, print_line, read_tokens, spread
from sampling import percentile, significant

WARM_UPS = 2

Compute = Callable[[Tensor, Cache], "tuple[Tensor, list[Tensor]]"]


def main() -> int:
    options = parse_options()
    try:
        model = prepared_model(options)
        print_line(options, model, measured(model, options))
    except (RuntimeError, OSError, LookupError, ValueError) as error:  # what files and options can be the cause of
        print(f"peers: {error}", file=sys.stderr)
        return 1
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pytorch_generate.py", description=__doc__)
    add_options(parser)
    parser.add_argument("--prompts", metavar="FILE", help="int32 [batch, length]; by default drawn, by the seed")
    parser.add_argument("--batch", type=int, default=1, help="prompts")
    parser.add_argument("--length", type=int, default=64, help="tokens of each prompt")
    parser.add_argument("--new", type=int, default=64, help="tokens to generate for each, 2 or more")
    parser.add_argument("--rounds", type=int, default=3, help="how often all of it is measured")
    return parser.parse_args()


@torch.inference_mode()
def measured(model: Transformer, options: argparse.Namespace) -> dict[str, object]:
    model.eval()
    prompts = chosen_prompts(model, options)
    compute = torch.compile(model) if options.compile else model
    prefill: list[float] = []
    decode: list[float] = []
    for number in range(WARM_UPS + options.rounds):
        tokens, seconds = generate(compute, Cache(model.config, options.batch), prompts, options.new)
        if number >= WARM_UPS:
            prefill.append(seconds[0])
            decode += seconds[1:]
    return {
        "batch": options.batch,
        "length": options.length,
        "prefill_tok_per_s": significant(options.batch * options.length / percentile(prefill, 0.5)),
        "decode_tok_per_s": significant(options.batch / percentile(decode, 0.5)),
        **spread(prefill, "prefill_"),
        **spread(decode, "decode_"),
        "tokens": tokens.tolist(),
    }


def chosen_prompts(model: Transformer, options: argparse.Namespace) -> Tensor:
    shape = (options.batch, options.length)
    if options.new < 2 or options.length + options.new > model.config.context:
        limit = f"expected 2 or more, and at most {model.config.context} in all"
        raise ConfigError(f"{options.new} tokens after {options.length}; {limit}")
    if options.prompts is None:
        generator = torch.Generator().manual_seed(options.seed)
        return torch.randint(model.config.vocabulary, shape, generator=generator)
    tokens = read_tokens(options.prompts, "i32")
    if len(tokens) != options.batch * options.length:
        raise ConfigError(f"{options.prompts} has {len(tokens)} tokens; expected {options.batch} x {options.length}")
    return tokens.view(shape)


def generate(compute: Compute, cache: Cache, prompts: Tensor, new: int) -> tuple[Tensor, list[float]]:
    """The most probable tokens that follow, and the seconds that each took; the first's are those of the prompts."""
    inputs, chosen, seconds = prompts, [], []
    for _ in range(new):
        began = time.perf_counter()
        logits, _ = compute(inputs, cache)
        inputs = logits[:, -1].argmax(-1, keepdim=True)
        seconds.append(time.perf_counter() - began)
        chosen.append(inputs)
    return torch.cat(chosen, 1), seconds


if __name__ == "__main__":
    sys.exit(main())
