"""What heads do in an induction model, whatever their numbers: for asking whether a circuit transfers.

>>> models = {"a": load_tiny("induction-2l"), "b": load_tiny("induction-2l-b")}
>>> signatures(models["a"])[0, 3].shape       # four numbers for every head
(4,)
>>> kept(models["a"], {(0, 3), (1, 3)})       # 1: as much as the whole model; 0: as no head at all
0.007

Every measurement is on sequences that repeat themselves, as in lesson 02; the same ones each time.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

__all__ = ["Head", "kept", "repeats", "signatures"]

Head = tuple[int, int]
"""A head as (layer, head)."""


def repeats(model: Any, n: int = 16, seed: int = 0) -> Int[Tensor, "batch pos"]:
    """`n` sequences: token 0, tokens without a repetition, then the same tokens again, as long as fits (65 at most)."""
    generator = torch.Generator().manual_seed(seed)
    half = min((model.cfg.n_ctx - 1) // 2, model.cfg.d_vocab - 1, 32)
    rows = [torch.randperm(model.cfg.d_vocab - 1, generator=generator)[:half] + 1 for _ in range(n)]
    return torch.stack([torch.cat([torch.zeros(1, dtype=torch.long), row, row]) for row in rows])


def signatures(model: Any) -> dict[Head, Float[np.ndarray, " 4"]]:
    """For every head where it looks, in the second half: its mean weight on the token before, on itself, on the first
    token, and on what followed the last occurrence of the same token. Nothing here depends on the head's number."""
    tokens = repeats(model)
    _, cache = model.run_with_cache(tokens, names_filter=lambda name: name.endswith("hook_pattern"))
    half = (tokens.shape[1] - 1) // 2
    query = torch.arange(half + 1, tokens.shape[1])
    places = torch.stack([query - 1, query, torch.zeros_like(query), query - half + 1])
    found: dict[Head, np.ndarray] = {}
    for layer in range(model.cfg.n_layers):
        pattern = cache[f"blocks.{layer}.attn.hook_pattern"]
        looks = pattern[:, :, query, places].mean(dim=(0, 3))  # head, place
        found |= {(layer, head): row.double().numpy() for head, row in enumerate(looks)}
    return found


def kept(model: Any, heads: Iterable[Head]) -> float:
    """How much of the model's gain on repeated tokens these heads keep, the others at their mean.

    (loss with no head − loss with these) / (loss with no head − loss of the whole model), on the second half, nats in
    each; the mean of a head's `z` is taken over sequences, position by position.
    """
    tokens = repeats(model)
    _, cache = model.run_with_cache(tokens, names_filter=lambda name: name.endswith("hook_z"))
    whole = {(layer, head) for layer in range(model.cfg.n_layers) for head in range(model.cfg.n_heads)}
    none, these, all_of_them = (_loss(model, tokens, cache, whole - set(some)) for some in ((), heads, whole))
    return round((none - these) / (none - all_of_them), 3) + 0.0


def _loss(model: Any, tokens: Tensor, cache: Any, off: set[Head]) -> float:
    def mean(z: Tensor, hook: Any) -> Tensor:
        z = z.clone()
        for head in [head for layer, head in off if layer == hook.layer()]:
            z[:, :, head] = cache[hook.name][:, :, head].mean(0)
        return z

    hooks: Any = [(f"blocks.{layer}.attn.hook_z", mean) for layer in range(model.cfg.n_layers)]
    logits = model.run_with_hooks(tokens, fwd_hooks=hooks)
    half = (tokens.shape[1] - 1) // 2
    second = logits[:, half + 1 : -1], tokens[:, half + 2 :]
    return float(cross_entropy(second[0].flatten(0, 1), second[1].flatten()))
