#!/usr/bin/env python3
"""Makes the vectors that the transformer is tested against: safetensors files beside this one.

    python3 make.py            writes them again: the same bytes, on the same PyTorch (2.13)
    python3 make.py --check    computes their results again from their own inputs, and compares; exit status 1 if off

Any Python with PyTorch runs it (`npm run bench:peers -- --install` makes one). Without PyTorch it says so and ends.

Each of `dense`, `gated`, `mixture`, `experts` is a model: its `config` (metadata, JSON: a ModelConfig), its parameters
(`parameters/<name>`, f32), `tokens` and `targets` (i32), and as f64 has them `logits`, the losses (`losses/loss`, and
its parts `crossEntropy`, `balance`, `z`) and the gradient of `losses/loss` by each parameter (`gradients/<name>`).

`adamw` is ten steps of training in f32: `config`, `recipe` and `decayed` (metadata, JSON: the names with weight decay),
`parameters/<name>` before and `trained/<name>` after, `batches` (i32 [steps, batch, time + 1]: each row's first `time`
are inputs, its last `time` targets), and of each step `loss` (before its update), `norm` (of all gradients, before
clipping) and `rate`. With t = 1 .. steps, peak = learningRate:
    rate(t) = peak t / warmup                                                                  for t <= warmup, else
    rate(t) = floor + (peak - floor) (1 + cos(pi (t - warmup) / (steps - warmup))) / 2
    g <- g min(1, clip / (norm + 1e-6))
    p <- p - rate decay p                                                                      where p is decayed
    m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
    p <- p - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Mapping

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "bench" / "peers"))
sys.dont_write_bytecode = True
from skip import skip_without_torch

skip_without_torch("vectors")

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from model_config import config_of
from pytorch_model import Transformer
from pytorch_optimizer import Optimizer, decayed, recipe_of
from safetensors_file import read_safetensors, write_safetensors

MODEL_TOKENS = (2, 9)
"""Rows, and tokens of each."""
TRAINING_TOKENS = (8, 15)
"""The same of a step: enough that some gradients are clipped, and some are not."""
STEPS = 10
CLOSE = {torch.float64: 1e-11, torch.float32: 1e-5}
"""How far what is computed again may be off, as a share of its norm: as far as sums in another order are."""
MARGIN = 1e-3
"""By how much a mixture's chosen experts are more probable than the others, so that f32 chooses the same."""

# The heads together are wider than the stream, so that neither is taken for the other.
DENSE = {
    "vocabulary": 40,
    "width": 24,
    "layers": 2,
    "heads": 4,
    "kvHeads": 2,
    "headWidth": 8,
    "hidden": 36,
    "activation": "polynorm",
    "order": 3,
    "context": 16,
    "tied": False,
    "qkNorm": False,
    "ropeBase": 10000,
    "normEpsilon": 1e-5,
    "dropout": 0,
    "deviation": 0.2,
}
EXPERTS = {
    "count": 4,
    "active": 2,
    "coefficients": "layer",
    "normalised": False,
    "balanceWeight": 0.01,
    "zWeight": 0.001,
}
MODELS: Mapping[str, Mapping[str, Any]] = {
    "dense": DENSE,
    "gated": {**DENSE, "activation": "swiglu", "hidden": 24, "tied": True, "qkNorm": True},
    "mixture": {**DENSE, "hidden": 12, "tied": True, "experts": EXPERTS},
    "experts": {
        **DENSE,
        "activation": "polynormglu",
        "hidden": 8,
        "kvHeads": 4,
        "qkNorm": True,
        "experts": {**EXPERTS, "coefficients": "expert", "normalised": True, "balanceWeight": 0.1, "zWeight": 0.05},
    },
}
SEEDS = {"dense": 1, "gated": 2, "mixture": 8, "experts": 3, "adamw": 5}
RECIPE = {
    "steps": STEPS,
    "learningRate": 0.01,
    "floor": 0.001,
    "warmup": 3,
    "betas": [0.9, 0.95],
    "epsilon": 1e-8,
    "decay": 0.1,
    "decayEmbeddings": False,
    "clip": 1.0,
}

Tensors = dict[str, Tensor]
Texts = dict[str, str]


def main() -> int:
    torch.set_num_threads(1)
    check = "--check" in sys.argv[1:]
    problems = []
    for name in [*MODELS, "adamw"]:
        file = HERE / f"{name}.safetensors"
        if check:
            problems += [f"{name}: {problem}" for problem in disagreements(*read_safetensors(file))]
        else:
            write_safetensors(file, *(training() if name == "adamw" else model(name)))
    print("\n".join(problems) or ("vectors: all agree" if check else "vectors: written"))
    return 1 if problems else 0


def model(name: str) -> tuple[Tensors, Texts]:
    inputs = prefixed("parameters", drawn_parameters(MODELS[name], SEEDS[name]))
    texts = {"config": json.dumps(MODELS[name])}
    words = drawn_tokens(MODELS[name], MODEL_TOKENS, SEEDS[name])
    inputs["tokens"], inputs["targets"] = words[:, :-1].contiguous(), words[:, 1:].contiguous()
    return {**inputs, **model_results(inputs, texts)}, texts


def model_results(inputs: Tensors, texts: Texts) -> Tensors:
    """What f64 gives; its attention has the whole T x T."""
    transformer = Transformer(config_of(json.loads(texts["config"])), dtype=torch.float64)
    transformer.load(under("parameters", inputs))
    tokens, targets = inputs["tokens"].long(), inputs["targets"].long()
    check_margins(transformer, tokens)
    with sdpa_kernel(SDPBackend.MATH):
        logits, _ = transformer(tokens)
        losses = transformer.losses(tokens, targets)
        names, parameters = zip(*transformer.named_parameters())
        gradients = torch.autograd.grad(losses["loss"], parameters)
    return {
        "logits": logits,
        **prefixed("losses", losses),
        **prefixed("gradients", dict(zip(names, gradients))),
    }


def check_margins(transformer: Transformer, tokens: Tensor) -> None:
    """Fails where a router is nearly undecided, or leaves an expert without a token: another seed will do."""
    experts = transformer.config.experts
    if experts is None:
        return

    def check(_: torch.nn.Module, __: object, router: Tensor) -> None:
        ordered, indices = router.softmax(-1).sort(-1, descending=True)
        margin = (ordered[..., experts.active - 1] - ordered[..., experts.active]).min().item()
        assert margin > MARGIN, f"a router's margin is {margin}"
        assert len(indices[..., : experts.active].unique()) == experts.count, "an expert has no token"

    handles = [layer.mlp.gate.register_forward_hook(check) for layer in transformer.model.layers]
    with torch.no_grad():
        transformer(tokens)
    for handle in handles:
        handle.remove()


def training() -> tuple[Tensors, Texts]:
    config = {**DENSE, "deviation": 0.02}
    inputs = prefixed("parameters", drawn_parameters(config, SEEDS["adamw"]))
    inputs["batches"] = drawn_tokens(config, (STEPS, *TRAINING_TOKENS), SEEDS["adamw"])
    texts = {"config": json.dumps(config), "recipe": json.dumps(RECIPE)}
    transformer = Transformer(config_of(config))
    recipe = recipe_of(RECIPE)
    names = [name for name, parameter in transformer.named_parameters() if decayed(name, parameter, recipe)]
    texts["decayed"] = json.dumps(names)
    results = training_results(inputs, texts)
    assert results["norm"].min() < recipe.clip < results["norm"].max(), "clips at every step, or at none"
    return {**inputs, **results}, texts


def training_results(inputs: Tensors, texts: Texts) -> Tensors:
    """What f32 gives, which f64 confirms: a step on rounding errors alone would show here."""
    results = trained(inputs, texts, torch.float32)
    for name, value in trained(inputs, texts, torch.float64).items():
        assert distance(results[name].double(), value) < 1e-5, f"f32 and f64 differ in {name}"
    return results


def trained(inputs: Tensors, texts: Texts, dtype: torch.dtype) -> Tensors:
    transformer = Transformer(config_of(json.loads(texts["config"])), dtype=dtype)
    transformer.load(under("parameters", inputs))
    optimizer = Optimizer(transformer, recipe_of(json.loads(texts["recipe"])), fused=False)
    figures: dict[str, list[float]] = {"loss": [], "norm": [], "rate": []}
    for words in inputs["batches"].long():
        with sdpa_kernel(SDPBackend.MATH):
            loss = transformer.losses(words[:, :-1], words[:, 1:])["loss"]
            rate, norm = optimizer.step(torch.autograd.grad(loss, optimizer.parameters))
        for name, value in (("loss", loss.item()), ("norm", norm.item()), ("rate", rate)):
            figures[name].append(value)
    parameters = {name: parameter.detach() for name, parameter in transformer.named_parameters()}
    return {
        **{name: torch.tensor(values, dtype=torch.float64) for name, values in figures.items()},
        **prefixed("trained", parameters),
    }


@torch.no_grad()
def drawn_parameters(config: Mapping[str, Any], seed: int) -> Tensors:
    """As a model begins, in f32, but with norms and coefficients of their own, and a router that has opinions."""
    transformer = Transformer(config_of(config), seed)
    generator = torch.Generator().manual_seed(seed + 100)
    for name, parameter in transformer.named_parameters():
        if parameter.ndim < 2:
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        elif name.endswith("mlp.gate.weight"):
            parameter *= 3
    return {name: parameter.detach().clone() for name, parameter in transformer.named_parameters()}


def drawn_tokens(config: Mapping[str, Any], shape: tuple[int, ...], seed: int) -> Tensor:
    """With one more in each row than a model is given, the last target. Each is one or two above the one before, which
    a model can learn, from a first that is drawn."""
    generator = torch.Generator().manual_seed(seed)
    vocabulary = config["vocabulary"]
    first = torch.randint(vocabulary, (*shape[:-1], 1), generator=generator)
    steps = torch.randint(1, 3, shape, generator=generator)
    return (torch.cat([first, steps], -1).cumsum(-1) % vocabulary).int()


def disagreements(stored: Tensors, texts: Texts) -> list[str]:
    """Which of a file's results are not what its inputs give."""
    again = training_results(stored, texts) if "batches" in stored else model_results(stored, texts)
    expected = {name for name in stored if not name.startswith("parameters/")} - {"tokens", "targets", "batches"}
    problems = [f"no {name}" for name in again.keys() ^ expected]
    for name in again.keys() & expected:
        off = distance(again[name], stored[name])
        bound = CLOSE[torch.float32 if "batches" in stored else torch.float64]
        if not off <= bound:  # so that NaN is wrong
            problems.append(f"{name} is off by {off:.1e} of its norm")
    return problems


def distance(value: Tensor, wanted: Tensor) -> float:
    if value.shape != wanted.shape:
        return float("inf")
    return ((value - wanted).norm() / wanted.norm()).item()


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Tensors) -> Tensors:
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}/")}


if __name__ == "__main__":
    sys.exit(main())
