"""A small network in which it is known which directions do something, and which only seem to.

>>> net = plant_directions(seed=1)
>>> moved = net.base + (net.source - net.base)              # everything replaced
>>> torch.allclose(net.logit(moved), net.logit(net.source))
True
>>> sorted(net.directions)
['blend', 'illusion', 'random', 'true', 'unread']

A hidden layer (after its ReLU) holds a feature, -1 in `base` and +1 in `source`, and `W_out` reads it from one
direction. The feature is also present in a direction that `W_out` does not read. A third direction is read, but never
varies: it is *dormant*. The sum of the last two makes the illusion of Makelov, Lange & Nanda (2023, arXiv:2311.17030):
patching it carries the feature from where nobody listens to where nothing was ever said.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["DormantNet", "plant_directions"]

_LEVEL = 40.0  # mean activation of a hidden unit: high enough that the ReLU before it stays open
_NOISE = 0.15


@dataclass(frozen=True)
class DormantNet:
    """Paired activations, the weights that read them, and directions of which the truth is known."""

    base: Float[Tensor, "pair d_mlp"]
    """Hidden activations of inputs without the feature; all are above 0, as after a ReLU."""
    source: Float[Tensor, "pair d_mlp"]
    """The same inputs with the feature."""
    W_out: Float[Tensor, "d_mlp d_model"]
    """What reads the hidden layer; there are fewer columns than units, so some directions are read by none."""
    readout: Float[Tensor, " d_model"]
    """From what W_out passes on to the logit, before the last two ReLUs."""
    offset: float
    """Makes the logit of the two means add up to 0."""
    directions: dict[str, Float[Tensor, " d_mlp"]]
    """Unit vectors: "true", "unread" (holds the feature, nobody reads it), "illusion" (unread plus dormant),
    "blend" (true plus unread) and "random"."""

    def logit(self, hidden: Float[Tensor, "pair d_mlp"]) -> Float[Tensor, " pair"]:
        """The network's logit (nats) from its hidden activations; it levels off at -3 and 3."""
        drive = hidden @ self.W_out @ self.readout - self.offset
        return (drive + 3).relu() - (drive - 3).relu() - 3


def plant_directions(seed: int, d_mlp: int = 24, d_model: int = 8, n_pairs: int = 64) -> DormantNet:
    """A network with planted directions; the same seed gives the same one.

    There are `d_mlp` hidden units, of whose directions `W_out` reads `d_model`. Raises ValueError for sizes without
    room for both kinds.
    """
    if not 3 <= d_model < d_mlp:
        raise ValueError(
            f"plant_directions: d_model must be at least 3 and below d_mlp, got {d_model} and {d_mlp}. "
            "Something has to be read, and something has to stay unread."
        )
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    basis = torch.linalg.qr(normal(d_mlp, d_mlp))[0].T
    true, dormant, unread = basis[0], basis[1], basis[d_model]
    # The rows are sums of the directions that are read, at different strengths, so no column is one of them.
    strengths = 0.6 + 0.8 * torch.rand(d_model, generator=generator, dtype=torch.float64)
    into = torch.linalg.qr(normal(d_model, d_model))[0]
    W_out = basis[:d_model].T @ (strengths[:, None] * into)
    # The logit listens to the true and to the dormant direction, 1 nat for each unit of either.
    readout = into[0] / strengths[0] + into[1] / strengths[1]

    twice = 2.0 + torch.rand(1, generator=generator, dtype=torch.float64)  # the unread copy is the larger one
    quiet = basis[torch.arange(d_mlp) != 1]  # nothing ever moves along the dormant direction
    shared = _LEVEL + _NOISE * normal(n_pairs, len(quiet)) @ quiet
    shared = shared - (shared @ dormant - _LEVEL * dormant.sum())[:, None] * dormant
    feature = 2.5 * true + 2.5 * twice * unread
    own = 0.3 * _NOISE * normal(2, n_pairs, len(quiet)) @ quiet
    base, source = shared - feature + own[0], shared + feature + own[1]
    offset = float((base.mean(0) + source.mean(0)) / 2 @ W_out @ readout)

    directions = {
        "true": true,
        "unread": unread,
        "illusion": unread + dormant,
        "blend": true + unread,
        "random": normal(d_mlp),
    }
    unit = {name: (vector / vector.norm()).float() for name, vector in directions.items()}
    return DormantNet(base.float(), source.float(), W_out.float(), readout.float(), offset, unit)
