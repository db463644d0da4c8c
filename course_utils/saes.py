"""Sparse autoencoders of SmolLM2 that the course trained, and banks of what their latents do on held-out text.

>>> from course_utils.saes import load_bank, load_sae
>>> sae = load_sae("middle")                # a SAELens TopKSAE that reads `blocks.15.hook_resid_pre` as it is
>>> sae.encode(resid).shape                 # [... 4608], 32 of them positive
>>> bank = load_bank("middle")              # no model needed, opens in milliseconds
>>> token, value = bank.of(17)              # where latent 17 was active, and how strongly

`sae_names()` lists them; each has a card in `assets/saes/`. A latent's value times its row of `W_dec` is a step in the
model's residual stream: normalisation is folded into the biases and decoder rows have length one.
"""

import json
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from safetensors import safe_open
from torch import Tensor

from course_utils.errors import CourseError

__all__ = ["Bank", "load_bank", "load_sae", "sae_names"]

_FOLDER = Path(__file__).parent / "assets" / "saes"


def sae_names() -> list[str]:
    """The names of the autoencoders.

    >>> sae_names()
    ['late', 'middle', 'narrow', 'shuffled']
    """
    return sorted(path.parent.name for path in _FOLDER.glob("*/cfg.json"))


def load_sae(name: str = "middle") -> Any:
    """The SAELens autoencoder of that name, in float32, frozen.

    `sae.cfg.metadata.hook_name` says what it reads. "shuffled" belongs to a SmolLM2 whose weights were shuffled and
    says nothing about the real one. Raises `CourseError` for another name.
    """
    from sae_lens import SAE

    sae = SAE.load_from_disk(_folder(name), dtype="float32")
    return sae.eval().requires_grad_(False)


@dataclass(frozen=True)
class Bank:
    """The latents' activations on held-out text: windows of 128 tokens, each from one document.

    Texts are the same for all banks, in the same order; a smaller bank has the first of them.
    """

    name: str
    hook_name: str
    d_sae: int
    scale: float
    """What the model's residual is divided by before the autoencoder reads it: 1, since that is folded in."""
    tokens: Int[Tensor, " token"]
    """Token ids, window after window."""
    documents: Int[Tensor, " token"]
    """The window of each token, ascending. A context may not cross it."""
    sources: tuple[str, ...]
    """The kind of text of each window, such as "bible"."""
    kept: Bool[Tensor, " token"]
    """False where the autoencoder was not asked: start tokens and attention sinks."""
    start: Int[Tensor, " token+1"]
    """Token t has the entries `start[t]` up to `start[t + 1]`."""
    latent: Int[Tensor, " entry"]
    value: Float[Tensor, " entry"]
    """Activations in the units of the residual stream, rounded to float16."""

    @property
    def token_of(self) -> Int[Tensor, " entry"]:
        """The token of each entry."""
        return torch.arange(len(self.tokens)).repeat_interleave(self.start.diff())

    def of(self, latent: int) -> tuple[Int[Tensor, " firing"], Float[Tensor, " firing"]]:
        """The tokens on which this latent was active, in order of the text, and its activations there."""
        if not 0 <= latent < self.d_sae:
            raise CourseError(
                f"{self.name!r} has latents 0 to {self.d_sae - 1}; there is no latent {latent}."
            )
        entries, bounds = self._by_latent
        chosen = entries[bounds[latent] : bounds[latent + 1]]
        return torch.searchsorted(self.start, chosen, right=True) - 1, self.value[chosen]

    @cached_property
    def _by_latent(self) -> tuple[Int[Tensor, " entry"], Int[Tensor, " latent+1"]]:
        """The entries sorted by latent, and where each latent's begin."""
        ordered, entries = self.latent.sort(stable=True)
        return entries, torch.searchsorted(ordered, torch.arange(self.d_sae + 1))

    def only(self, mine: Bool[Tensor, " token"]) -> "Bank":
        """The bank with what the latents do on these tokens alone; the others stay in the text and are not kept.

        >>> bank.only(bank.documents % 2 == 0)  # the even texts; places and documents keep their numbers
        """
        if mine.shape != self.tokens.shape or mine.dtype != torch.bool:
            raise CourseError(
                f"only() expects a boolean for each of the {len(self.tokens)} tokens; "
                f"it got {tuple(mine.shape)} of {mine.dtype}. Try bank.only(bank.documents % 2 == 0)."
            )
        entries = mine[self.token_of]
        start = torch.cat([self.start[:1], (self.start.diff() * mine).cumsum(0)])
        return replace(
            self,
            kept=self.kept & mine,
            start=start,
            latent=self.latent[entries],
            value=self.value[entries],
        )

    def density(self) -> Float[Tensor, " latent"]:
        """The share of the kept tokens on which each latent is active."""
        return torch.bincount(self.latent, minlength=self.d_sae) / self.kept.sum()


@cache
def load_bank(name: str = "middle") -> Bank:
    """The bank of that autoencoder. Raises `CourseError` for another name."""
    folder = _folder(name)
    about = json.loads((folder / "cfg.json").read_text(encoding="utf-8"))
    with safe_open(folder / "bank.safetensors", framework="np") as file:
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    with safe_open(_FOLDER / "texts.safetensors", framework="np") as file:
        texts = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        kinds = file.metadata()["sources"].split(",")
    n_tokens, width = len(stored["kept"]), texts["tokens"].shape[1]
    n_windows = n_tokens // width
    return Bank(
        name=name,
        hook_name=about["metadata"]["hook_name"],
        d_sae=about["d_sae"],
        scale=1.0,
        tokens=torch.from_numpy(texts["tokens"][:n_windows].astype(np.int64).ravel()),
        documents=torch.arange(n_windows).repeat_interleave(width),
        sources=tuple(kinds[index] for index in texts["source"][:n_windows]),
        kept=torch.from_numpy(stored["kept"].astype(bool)),
        start=torch.from_numpy(np.concatenate([[0], stored["count"].astype(np.int64).cumsum()])),
        latent=torch.from_numpy(stored["latent"].astype(np.int64)),
        value=torch.from_numpy(stored["value"].astype(np.float32)),
    )


def _folder(name: str) -> Path:
    known = sae_names()
    if not known:
        raise CourseError(
            f"The autoencoder {name!r} should be in {_FOLDER}, but none is there: this copy of the course is "
            "incomplete. Fetch it again (in a clone: `git checkout course_utils/assets/saes`), then restart the kernel."
        )
    if name not in known:
        raise CourseError(f"There is no autoencoder called {name!r}. The course has: {', '.join(known)}.")
    return _FOLDER / name
