"""Synthetic activations made of known features, so that a dictionary that was learned can be compared with the truth.

>>> from course_utils.dictionaries import plant
>>> truth = plant(seed=0)                       # 32 features in 16 dimensions, about three active at a time
>>> truth.x.shape, truth.directions.shape       # sample d_model, feature d_model
(torch.Size([4096, 16]), torch.Size([32, 16]))
>>> torch.allclose(truth.strengths @ truth.directions, truth.x)   # with noise=0
True

The model of the data is that of Sharkey et al. 2022 and Bricken et al. 2023: an activation is a sum of a few
directions, each with a positive strength. `pairs` makes neighbours fire together, which is what real features do and
what sparse autoencoders are bad at.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Truth", "mixed_up", "plant"]

_OWN = 7_654_321
"""Added to the seed: otherwise "random" directions that somebody draws with the same seed would be the features."""


@dataclass(frozen=True)
class Truth:
    """Activations, and the features that they were made of."""

    x: Float[Tensor, "sample d_model"]
    directions: Float[Tensor, "feature d_model"]
    """Rows of length one."""
    strengths: Float[Tensor, "sample feature"]
    """Zero where the feature is off; uniform between 0.5 and 1.5 where it is on."""


def plant(
    seed: int,
    n_features: int = 32,
    d_model: int = 16,
    n_samples: int = 4096,
    active: float = 3.0,
    pairs: float = 0.0,
    noise: float = 0.0,
) -> Truth:
    """Fresh features and samples: each feature is on with probability `active / n_features`.

    With `pairs` between 0 and 1, feature 2i + 1 is on only together with feature 2i, in that share of the cases in
    which 2i is on. `noise` is the standard deviation that is added to every entry. Directions are random, pushed apart
    until they are about as far from each other as so many can be.
    """
    if n_features % 2 or n_features < 2:
        raise ValueError(f"n_features must be even, since features can come in pairs; it is {n_features}.")
    if not 0 < active <= n_features:
        raise ValueError(f"active must lie between 0 and n_features = {n_features}; it is {active}.")
    generator = torch.Generator().manual_seed(seed + _OWN)
    directions = _spread_out(n_features, d_model, generator)
    on = torch.rand(n_samples, n_features, generator=generator) < active / n_features
    if pairs:
        follows = torch.rand(n_samples, n_features // 2, generator=generator) < pairs
        on[:, 1::2] = on[:, ::2] & follows
    strengths = on * (0.5 + torch.rand(n_samples, n_features, generator=generator))
    x = strengths @ directions + noise * torch.randn(n_samples, d_model, generator=generator)
    return Truth(x, directions, strengths)


def mixed_up(truth: Truth) -> tuple[Float[Tensor, "feature d_model"], Float[Tensor, "sample feature"]]:
    """A wrong dictionary that reconstructs the data exactly: its directions, and its code for each sample.

    >>> directions, code = mixed_up(truth)
    >>> torch.allclose(code @ directions, truth.strengths @ truth.directions, atol=1e-5)
    True

    Every pair of features is replaced by its sum and its difference, scaled to length one. Nothing is lost, and no
    direction is one of the features. (The code has negative entries where the second of a pair is the stronger.)
    """
    first, second = truth.directions[::2], truth.directions[1::2]
    total, gap = first + second, first - second
    n_total, n_gap = total.norm(dim=1, keepdim=True), gap.norm(dim=1, keepdim=True)
    a, b = truth.strengths[:, ::2], truth.strengths[:, 1::2]
    code = torch.cat([(a + b) / 2 * n_total.T, (a - b) / 2 * n_gap.T], dim=1)
    return torch.cat([total / n_total, gap / n_gap]), code


def _spread_out(n: int, d: int, generator: torch.Generator, steps: int = 100) -> Float[Tensor, "n d"]:
    """`n` unit vectors after pushing the most similar ones apart."""
    vectors = torch.randn(n, d, generator=generator)
    vectors /= vectors.norm(dim=1, keepdim=True)
    for _ in range(steps):
        overlap = (vectors @ vectors.T).fill_diagonal_(0)
        vectors = vectors - 0.1 * overlap.pow(3) @ vectors
        vectors /= vectors.norm(dim=1, keepdim=True)
    return vectors
