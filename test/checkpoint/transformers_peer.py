"""What PyTorch's transformers makes of our folders, and folders that it makes for us: for huggingface.test.ts.

    transformers_peer.py make FOLDER CASES     saves small random LLaMAs, with their weights and logits beside them
    transformers_peer.py check FOLDER CASES    loads folders that polycom exported, and compares with a reference

CASES is JSON, a list of objects with a `name`, which is a folder's below FOLDER. Prints JSON, an object a case.
fixtures/llama is of `make` too, without what its test does not read, for machines that have no PyTorch:
{"name": "llama", "dtype": "float32", "shard": "12KB", "config": {"vocab_size": 31, "hidden_size": 16,
"intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
"max_position_embeddings": 32}}
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from model_config import config_of
from pytorch_model import Transformer
from safetensors_file import read_safetensors, write_safetensors

Result = dict[str, Any]


def tokens_of(vocabulary: int) -> torch.Tensor:
    return torch.randint(vocabulary, (2, 11), generator=torch.Generator().manual_seed(1))


def make(folder: Path, case: Result) -> Result:
    """A model whose weights are of the case's dtype; what it holds, as float32, and its logits in float32."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**case["config"]))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.3)  # norms too, that no place may be mistaken for another
    model.to(getattr(torch, case["dtype"])).save_pretrained(folder, max_shard_size=case["shard"])
    # Read back: a conversion to bfloat16 and back would leave the rotary embedding rounded too.
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    with torch.no_grad():
        tokens = tokens_of(model.config.vocab_size)
        logits = model(tokens).logits
    write_safetensors(folder / "expected.weights", weights, {})
    write_safetensors(folder / "expected.logits", {"tokens": tokens.int(), "logits": logits}, {})
    return {"files": sorted(path.name for path in folder.glob("model*"))}


def check(folder: Path, case: Result) -> Result:
    """Against a LLaMA's own logits, where the case names the folder that it came from; else against the plain PyTorch
    transformer with the case's configuration."""
    model, loading = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
    model.eval()
    tokens = tokens_of(model.config.vocab_size)
    with torch.no_grad():
        logits = model(tokens, use_cache=False).logits
        wanted, wanted_loss = reference(folder, case, tokens)
        loss = None if wanted_loss is None else difference(model(tokens, labels=tokens).loss, wanted_loss)
    model.save_pretrained(folder / "again")
    write_safetensors(folder / "expected.logits", {"tokens": tokens.int(), "logits": logits}, {})
    return {
        "class": type(model).__name__,
        "loading": sorted(name for names in loading.values() for name in names),
        "logits": difference(logits, wanted),
        "loss": loss,
        "cached": difference(step_by_step(model, tokens), logits),
        "padded": difference(left_padded(model, tokens), logits),
        "generated": generated(model, tokens),
    }


def reference(folder: Path, case: Result, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    if "origin" in case:
        expected, _ = read_safetensors(folder.parent / case["origin"] / "expected.logits")
        assert torch.equal(expected["tokens"].long(), tokens)
        return expected["logits"], None
    parameters, _ = read_safetensors(folder / "model.safetensors")
    model = Transformer(config_of(case["config"]), dtype=torch.float64)
    model.load({name: value.double() for name, value in parameters.items()}).eval()
    # transformers' labels are the tokens themselves: the last has no target.
    losses = model.losses(tokens, torch.cat([tokens[:, 1:], torch.full_like(tokens[:, :1], -100)], 1))
    return model(tokens)[0], losses["loss"]


def difference(got: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest, relative to the largest value."""
    got, wanted = got.double(), wanted.double()
    return ((got - wanted).abs().max() / wanted.abs().max()).item()


@torch.no_grad()
def step_by_step(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """The logits by way of the cache: four tokens at once, then one at a time."""
    first = model(tokens[:, :4], use_cache=True)
    name = next(key for key in first.keys() if key in ("cache", "past_key_values"))
    logits = [first.logits]
    for t in range(4, tokens.shape[1]):
        logits.append(model(tokens[:, t : t + 1], **{name: first[name]}).logits)
    return torch.cat(logits, 1)


@torch.no_grad()
def left_padded(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """The logits behind padding that nobody may see."""
    padded = torch.nn.functional.pad(tokens, (3, 0))
    mask = torch.nn.functional.pad(torch.ones_like(tokens), (3, 0))
    return model(padded, attention_mask=mask).logits[:, 3:]


def generated(model: torch.nn.Module, tokens: torch.Tensor) -> bool:
    """Whether generation gives the most probable tokens, with the cache and without."""
    given = tokens.shape[1]
    texts = [model.generate(tokens, max_new_tokens=5, do_sample=False, use_cache=cache) for cache in (True, False)]
    with torch.no_grad():
        best = model(texts[0], use_cache=False).logits.argmax(-1)
    return torch.equal(*texts) and torch.equal(texts[0][:, given:], best[:, given - 1 : -1])


def main(command: str, folder: str, cases: str) -> None:
    run = {"make": make, "check": check}[command]
    results = {case["name"]: run(Path(folder) / case["name"], case) for case in json.loads(cases)}
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
