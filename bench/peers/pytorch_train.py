#!/usr/bin/env python3
"""Trains the transformer in PyTorch on the CPU, on given batches from given parameters, and prints one line of JSON:
`losses` of the steps and `heldout_loss` after them (cross-entropies), `tok_per_s` and the milliseconds of a step and of
its parts, after warm-up, and `peak_bytes`. Without PyTorch it says so, and ends with status 0."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Iterable

from skip import skip_without_torch

skip_without_torch("peers")

import torch
from torch import Tensor

from memory import peak_bytes
from model_config import ConfigError
from pytorch_model import Transformer
from pytorch_optimizer import Optimizer, Recipe, recipe_of
from pytorch_peer import add_options, prepared_model, print_line, read_tokens, spread
from safetensors_file import write_safetensors
from sampling import percentile, significant

WARM_UP_STEPS = 5
PARTS = ("forward", "backward", "optimizer")


def main() -> int:
    options = parse_options()
    try:
        print_line(options, *measured(options))
    except (RuntimeError, OSError, LookupError, ValueError) as error:  # what files and options can be the cause of
        print(f"peers: {error}", file=sys.stderr)
        return 1
    return 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pytorch_train.py", description=__doc__)
    add_options(parser)
    parser.add_argument("--data", required=True, metavar="FILE", help="what it is trained on")
    parser.add_argument("--heldout", metavar="FILE", help="what it is evaluated on, of the same format")
    parser.add_argument(
        "--format",
        choices=["i32", "u16", "u8"],
        default="i32",
        help="i32: batches, [steps, batch, time + 1] in the order they are taken; u16 and u8: a stream of tokens, or a"
        " text's bytes, whose windows are shuffled by the seed and taken again when they end",
    )
    parser.add_argument("--batch", type=int, required=True, help="sequences of a step")
    parser.add_argument("--time", type=int, required=True, help="tokens of a sequence")
    parser.add_argument("--steps", type=int, help="by default the recipe's")
    parser.add_argument("--recipe", metavar="FILE", help="JSON: the fields of a Recipe, such as learningRate")
    parser.add_argument("--save", metavar="FILE", help="write the trained parameters there, as safetensors")
    return parser.parse_args()


def measured(options: argparse.Namespace) -> tuple[Transformer, dict[str, object]]:
    """The trained model, and how that went."""
    model = prepared_model(options)
    if options.time > model.config.context:
        raise ConfigError(f"sequences of {options.time} tokens; expected {model.config.context} at most")
    recipe = chosen_recipe(options)
    loaded = peak_bytes()
    batches = windows(options.data, options)
    if options.format == "i32" and options.steps > len(batches):
        raise ConfigError(f"{options.steps} steps, but {options.data} has {len(batches)} batches")
    losses, parts = train(model, recipe, (batches[i % len(batches)] for i in range(options.steps)), options.compile)
    figures = {
        "batch": options.batch,
        "time": options.time,
        "losses": losses,
        **({} if options.heldout is None else {"heldout_loss": evaluate(model, windows(options.heldout, options))}),
        **figures_of(parts, options.batch * options.time),
        "loaded_bytes": loaded,
    }
    if options.save is not None:
        write_safetensors(options.save, dict(model.named_parameters()), {"format": "pt"})
    return model, figures


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The file's, whose schedule may be left early, or one for the given number of steps."""
    if options.recipe is not None:
        recipe = recipe_of(json.loads(Path(options.recipe).read_text(encoding="utf-8")))
    else:
        steps = options.steps or 100
        recipe = Recipe(steps=steps, learning_rate=1e-3, floor=1e-4, warmup=steps // 10)
    options.steps = options.steps or recipe.steps
    if options.steps > recipe.steps:
        raise ConfigError(f"{options.steps} steps of a schedule of {recipe.steps}")
    return recipe


def windows(file: str, options: argparse.Namespace) -> Tensor:
    """[batches, batch, time + 1]: each sequence, and one token more, its last target."""
    tokens = read_tokens(file, options.format)
    length = options.time + 1
    if options.format == "i32":
        if len(tokens) % (options.batch * length) != 0:
            raise ConfigError(f"{file} has {len(tokens)} tokens, no multiple of {options.batch} x {length}")
        return tokens.view(-1, options.batch, length)
    rows = tokens.unfold(0, length, options.time)  # a window's last target is the first token of the next
    whole = len(rows) // options.batch
    if whole == 0:
        raise ConfigError(f"{file} has {len(tokens)} tokens, too few for one batch")
    shuffled = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(options.seed))]
    return shuffled[: whole * options.batch].view(whole, options.batch, length)


def train(
    model: Transformer, recipe: Recipe, batches: Iterable[Tensor], compiled: bool
) -> tuple[list[float], dict[str, list[float]]]:
    """The steps' losses, and the seconds of their parts."""
    optimizer = Optimizer(model, recipe, fused=True)
    compute = torch.compile(model.losses, dynamic=False) if compiled else model.losses
    losses: list[float] = []
    parts: dict[str, list[float]] = {part: [] for part in PARTS}
    model.train()
    for words in batches:
        inputs, targets = words[:, :-1].contiguous(), words[:, 1:].contiguous()
        moments = [time.perf_counter()]
        loss = compute(inputs, targets)
        moments.append(time.perf_counter())
        gradients = torch.autograd.grad(loss["loss"], optimizer.parameters)
        moments.append(time.perf_counter())
        optimizer.step(gradients)
        moments.append(time.perf_counter())
        losses.append(loss["crossEntropy"].item())
        for part, begin, end in zip(PARTS, moments, moments[1:]):
            parts[part].append(end - begin)
    return losses, parts


@torch.no_grad()
def evaluate(model: Transformer, batches: Tensor) -> float:
    """The mean cross-entropy, in nats a token."""
    model.eval()
    losses = [model.losses(words[:, :-1], words[:, 1:])["crossEntropy"].item() for words in batches]
    return sum(losses) / len(losses)


def figures_of(parts: dict[str, list[float]], tokens: int) -> dict[str, object]:
    """Of the steps after warm-up."""
    steps = len(parts[PARTS[0]])
    late = {part: seconds[min(WARM_UP_STEPS, steps // 2) :] for part, seconds in parts.items()}
    whole = [sum(step) for step in zip(*late.values())]
    return {
        "tok_per_s": significant(tokens / percentile(whole, 0.5)),
        **spread(whole),
        **{f"ms_{part}": significant(1e3 * percentile(seconds, 0.5)) for part, seconds in late.items()},
        "samples": len(whole),
    }


if __name__ == "__main__":
    sys.exit(main())
