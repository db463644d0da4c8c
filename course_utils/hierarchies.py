"""Dictionaries over concepts that contain each other, with the truth: what splits, what is absorbed, what is missed.

>>> from course_utils.hierarchies import build_absorption, build_splits
>>> splits = build_splits(seed=3)
>>> splits.children            # for each narrow latent, the wide latents that divide its work
((7, 2, 9), (4, 0), (5,), ())

Concepts are orthogonal directions; no dictionary is trained here, so that a measure can be wrong and nothing else.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["Absorption", "Splits", "build_absorption", "build_splits"]

FAMILIES = (4, 3, 2, 1, 0)  # specific concepts that the wide dictionary has of each general one


@dataclass(frozen=True)
class Splits:
    """A narrow dictionary with a latent for each general concept, and a wide one with latents for specific ones."""

    narrow: Float[Tensor, "parent d_model"]
    """Decoder rows of the narrow dictionary, not all of the same length."""
    wide: Float[Tensor, "latent d_model"]
    """Decoder rows of the wide dictionary, in an order drawn at random, not all of the same length."""
    narrow_acts: Float[Tensor, "token parent"]
    wide_acts: Float[Tensor, "token latent"]
    children: tuple[tuple[int, ...], ...]
    """For each narrow latent, the wide latents made from it, the most similar first."""
    covered: tuple[float, ...]
    """For each narrow latent, the share of its firings on which one of these fires; 0 where there are none."""


def build_splits(seed: int, d_model: int = 40, n_tokens: int = 1500) -> Splits:
    """A pair of dictionaries in which each latent of the narrow one has a known number of specific relatives.

    >>> [len(family) for family in build_splits(seed=0).children]
    [4, 3, 2, 1, 0]

    The wide dictionary also holds latents that have nothing to do with the narrow one, one that points the opposite
    way, and some occasions of every general concept have no specific latent. The same seed gives the same numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    basis = _rotation(d_model, generator)
    narrow = basis[: len(FAMILIES)]
    rows: list[Tensor] = []
    owners: list[int] = []
    for parent, count in enumerate(FAMILIES):
        for child in range(count):  # cosines with the parent from .82 down to .66, no two alike
            rows.append(narrow[parent] + (0.7 + 0.11 * child + 0.01 * parent) * basis[10 + len(rows)])
            owners.append(parent)
    rows += [basis[30 + other] for other in range(4)] + [-narrow[2]]
    owners += [-1] * 5
    order = torch.randperm(len(rows), generator=generator)
    wide, owner = torch.stack(rows)[order], torch.tensor(owners)[order]

    kinds = torch.randint(len(owner) + len(FAMILIES), (n_tokens,), generator=generator)
    size = 1 + torch.rand(n_tokens, generator=generator)
    wide_acts = (
        torch.nn.functional.one_hot(kinds, len(owner) + len(FAMILIES))[:, : len(owner)] * size[:, None]
    )
    general = torch.where(kinds < len(owner), owner[kinds.clamp_max(len(owner) - 1)], kinds - len(owner))
    narrow_acts = (general[:, None] == torch.arange(len(FAMILIES))) * size[:, None]
    cosines = torch.nn.functional.cosine_similarity(narrow[:, None], wide[None], dim=-1)
    order_of = cosines.argsort(dim=1, descending=True)
    children = tuple(
        tuple(i for i in order_of[parent].tolist() if owner[i] == parent) for parent in range(len(FAMILIES))
    )
    fires = narrow_acts > 0
    covered = tuple(
        float((wide_acts[fires[:, parent]][:, list(family)] > 0).any(dim=1).float().mean()) if family else 0.0
        for parent, family in enumerate(children)
    )
    lengths = [0.5 + torch.rand(len(part), 1, generator=generator) for part in (narrow, wide)]
    return Splits(narrow * lengths[0], wide * lengths[1], narrow_acts, wide_acts, children, covered)


@dataclass(frozen=True)
class Absorption:
    """A concept, a dictionary with a latent for it, and the share of its occasions that other latents took over."""

    present: Bool[Tensor, " token"]
    """Where the concept is in the text."""
    acts: Float[Tensor, "token latent"]
    W_dec: Float[Tensor, "latent d_model"]
    """Decoder rows, not all of the same length."""
    probe: Float[Tensor, " d_model"]
    """The concept's direction, of any length."""
    rate: float
    """The share of present tokens on which the main latent is silent because another one carries its direction."""
    missed: float
    """The share of present tokens on which the main latent is silent and nothing carries its direction."""


def build_absorption(
    seed: int, absorbed: int = 2, missed: int = 1, d_model: int = 32, n_tokens: int = 1200
) -> Absorption:
    """A dictionary in which `absorbed` of six specific concepts swallow a general one, and `missed` of them lose it.

    >>> build_absorption(seed=0, absorbed=0, missed=0).rate
    0.0

    Six specific concepts imply the general one; the other six have nothing to do with it. Latents that fire often, and
    strongly, with a small part of the direction are among them. Raises `ValueError` if more than six are asked for.
    """
    if absorbed + missed > 6 or min(absorbed, missed) < 0:
        raise ValueError(f"absorbed + missed should be between 0 and 6, got {absorbed} + {missed}.")
    generator = torch.Generator().manual_seed(seed)
    basis = _rotation(d_model, generator)
    general, rows = basis[0], basis[1:13].clone()
    rows[:absorbed] = (rows[:absorbed] + general) / 2**0.5  # one latent for "specific, and so general"
    rows[6:] = rows[6:] + 0.15 * general  # unrelated concepts lean a little towards it
    kind = torch.randint(
        14, (n_tokens,), generator=generator
    )  # 12 and 13: the general concept alone, or nothing
    present = (kind < 6) | (kind == 12)
    size = 1 + torch.rand(n_tokens, 3, generator=generator)
    acts = torch.zeros(n_tokens, 13)
    specific = kind < 12
    acts[specific, kind[specific]] = size[specific, 0] * torch.where(kind[specific] < absorbed, 2**0.5, 1.0)
    acts[:, 12] = size[:, 1] * (present & (kind >= absorbed + missed))
    lost = (kind >= absorbed) & (kind < absorbed + missed)
    company = torch.randint(6, 12, (n_tokens,), generator=generator)
    acts[lost, company[lost]] = 3 * size[lost, 2]  # strong, and hardly in the concept's direction
    order = torch.randperm(13, generator=generator)
    W_dec = torch.cat([rows, general[None]])[order]
    lengths = 0.5 + torch.rand(13, 1, generator=generator)
    return Absorption(
        present=present,
        acts=acts[:, order] / lengths[:, 0],
        W_dec=W_dec * lengths,
        probe=3.0 * general,
        rate=float((kind[present] < absorbed).float().mean()),
        missed=float(lost[present].float().mean()),
    )


def _rotation(size: int, generator: torch.Generator) -> Float[Tensor, "size size"]:
    return torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
