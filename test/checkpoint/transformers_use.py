"""What the tools around PyTorch's transformers do with a folder that polycom exported: for export.test.ts.

    transformers_use.py FOLDER...     prints JSON, an object a folder
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from transformers_peer import difference, tokens_of

TEXT = "a<|endoftext|>b \u00e9"


def load(folder: str, **options: Any) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, dtype=torch.float32, **options).eval()


@torch.no_grad()
def implementations(folder: str, padded: torch.Tensor, mask: torch.Tensor) -> dict[str, Any]:
    """How far the logits behind padding are from those of eager attention; or why there are none."""
    wanted = load(folder, attn_implementation="eager")(padded, attention_mask=mask).logits
    results: dict[str, Any] = {}
    for name in ("sdpa", "flex_attention", "flash_attention_2"):
        try:
            logits = load(folder, attn_implementation=name)(padded, attention_mask=mask).logits
            seen = mask.bool()
            results[name] = difference(logits[seen], wanted[seen])
        except ImportError as error:
            results[name] = str(error).split("\n")[0]
    return results


def recomputed(folder: str, tokens: torch.Tensor) -> dict[str, Any]:
    """How far loss and gradients are from those without recomputation, in both of PyTorch's ways; and how often a
    layer ran."""

    def step(**options: Any) -> tuple[torch.Tensor, torch.Tensor, int]:
        model = load(folder).train()
        if options:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)
        runs = []
        model.model.layers[0].input_layernorm.register_forward_pre_hook(lambda *_: runs.append(1))
        loss = model(tokens, labels=tokens).loss
        loss.backward()
        gradients = torch.cat([each.grad.flatten() for each in model.parameters()])
        return loss.detach(), gradients, len(runs)

    loss, gradients, once = step()
    results: dict[str, Any] = {"runs": [once]}
    for reentrant in (False, True):
        again, others, runs = step(use_reentrant=reentrant)
        results["runs"].append(runs)
        results[f"reentrant {reentrant}"] = max(difference(again, loss), difference(others, gradients))
    return results


@torch.no_grad()
def recorded(folder: str, tokens: torch.Tensor) -> dict[str, Any]:
    model = load(folder, attn_implementation="eager")
    outputs = model(tokens, output_hidden_states=True, output_attentions=True)
    body = AutoModel.from_pretrained(folder, trust_remote_code=True, dtype=torch.float32).eval()
    last = body(tokens).last_hidden_state
    return {
        "layers": model.config.num_hidden_layers,
        "hidden": [list(each.shape) for each in outputs.hidden_states],
        "first": difference(outputs.hidden_states[0], model.get_input_embeddings()(tokens)),
        "last": difference(model.lm_head(outputs.hidden_states[-1]), outputs.logits),
        "body": difference(last, outputs.hidden_states[-1]),
        "attentions": [list(each.shape) for each in outputs.attentions],
        "sums": difference(outputs.attentions[0].sum(-1), torch.ones(outputs.attentions[0].shape[:-1])),
        "tuple": difference(model(tokens, return_dict=False)[0], outputs.logits),
    }


@torch.no_grad()
def generations(folder: str, tokens: torch.Tensor) -> dict[str, bool]:
    model = load(folder)
    options = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    plain = model.generate(tokens, use_cache=False, **options)
    beams = [model.generate(tokens, num_beams=3, use_cache=cache, **options) for cache in (False, True)]
    static = model.generate(tokens, cache_implementation="static", disable_compile=True, **options)
    return {"static": torch.equal(plain, static), "beams": torch.equal(*beams)}


def shares(folder: str, tokens: torch.Tensor) -> float:
    """How far the losses of a step's two batches, as shares of all its labels, are from the loss of both at once; a
    mixture's own losses, which are no sums over tokens, left out."""
    model = load(folder)
    for name in ("router_aux_loss_coef", "router_z_loss_coef"):
        setattr(model.config, name, 0.0)
    labels = tokens.clone()
    labels[0, 3:] = -100
    whole = model(tokens, labels=labels).loss
    count = (labels[:, 1:] != -100).sum()
    parts = [model(tokens[row], labels=labels[row], num_items_in_batch=count).loss for row in (slice(0, 1), slice(1, 2))]
    return difference(sum(parts), whole)


def lora(folder: str, tokens: torch.Tensor) -> bool | None:
    """Whether LoRA's gradients are of its own parameters alone; none without peft."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        return None
    model = get_peft_model(load(folder), LoraConfig(target_modules=["q_proj", "down_proj"]))
    model.gradient_checkpointing_enable()
    model.enable_input_require_grads()
    model.train()(input_ids=tokens, labels=tokens).loss.backward()
    return all(("lora_" in name) == (each.grad is not None) for name, each in model.named_parameters())


def use(folder: str) -> dict[str, Any]:
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    tokens = tokens_of(61)
    padded = torch.nn.functional.pad(tokens, (3, 0))
    mask = torch.nn.functional.pad(torch.ones_like(tokens), (3, 0))
    with torch.no_grad():
        halves = load(folder).to(torch.bfloat16)(tokens).logits
        logits = load(folder)(tokens).logits
    return {
        "tokens": tokenizer(TEXT).input_ids,
        "end": tokenizer.eos_token_id,
        "text": tokenizer.decode(tokenizer(TEXT).input_ids, skip_special_tokens=True),
        "implementations": implementations(folder, padded, mask),
        "recomputed": recomputed(folder, tokens),
        "recorded": recorded(folder, tokens),
        "generations": generations(folder, tokens),
        "shares": shares(folder, tokens),
        "bf16": difference(halves, logits),
        "lora": lora(folder, tokens),
    }


if __name__ == "__main__":
    print(json.dumps({folder: use(folder) for folder in sys.argv[1:]}))
