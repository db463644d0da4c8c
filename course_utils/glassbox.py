"""Transformers whose weights are set by hand from a seed, so that "find the circuit" has a right answer.

The circuit is the induction circuit of Elhage et al. (2021) and Olsson et al. (2022). A previous-token head
in layer 0 copies each token one place on, into a subspace of its own. An induction head in layer 1 asks
"after which place did my token stand before?", looks there, and copies what it finds to the logits.
The other heads are decoys: each looks like a part of a circuit by some measure and does nothing.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.tiny import TinyConfig, TinyTransformer

__all__ = ["Circuit", "GlassBox", "build_induction"]

Head = tuple[int, int]
"""A head as (layer, head)."""


@dataclass(frozen=True)
class Circuit:
    """What was planted, and where: `box.circuit.induction` is for example `(1, 3)`."""

    previous_token: Head
    """The head of layer 0 that copies the token before."""
    induction: Head
    """The head of layer 1 that copies what followed the last occurrence of the current token."""
    roles: dict[Head, str]
    """Every head of the model and what it was built to do; all but the two above are decoys."""
    edges: tuple[tuple[Head, Head, str], ...]
    """Each (sender, receiver, input), where the input of the receiver is "Q", "K" or "V"."""


@dataclass(frozen=True)
class GlassBox:
    """A model together with the circuit in it; the model itself knows neither the circuit nor the seed."""

    model: TinyTransformer
    circuit: Circuit


def build_induction(seed: int, n_heads: int = 4, d_vocab: int = 16, n_ctx: int = 32) -> GlassBox:
    """A two-layer attention-only model with a planted induction circuit, and the circuit.

    >>> box = build_induction(seed=3)
    >>> tokens = torch.tensor([[0, 5, 9, 2, 7, 5, 9, 2, 7]])  # token 0, then the same four tokens twice
    >>> box.model(tokens)[0, 5:8].argmax(-1)  # from the second 5 on, each next token is known
    tensor([9, 2, 7])

    The same seed gives bitwise the same weights; another seed puts the heads elsewhere, in other directions
    of a rotated residual stream. Where a token occurs for the first time all logits are equal, so the loss
    there is log(d_vocab) nats. Every sequence must start with token 0: the heads with the induction query
    look at the first position while there is nothing better, and only token 0 says nothing there. Raises
    `ValueError` for sizes that leave no room for circuit and decoys.
    """
    _check_sizes(seed, n_heads, d_vocab, n_ctx)
    generator = torch.Generator().manual_seed(seed)
    space = _Space(generator, d_vocab, n_ctx)
    cfg = TinyConfig(2, n_heads, space.d_model, space.d_head, d_vocab, n_ctx)
    model = TinyTransformer(cfg).requires_grad_(False).eval()
    model.W_E.copy_(space.token)
    model.W_pos.copy_(space.position + space.constant)
    model.W_U.copy_(space.output.T * space.copy_strength)
    roles: dict[Head, str] = {}
    for layer, names in enumerate(_roles(generator, n_heads)):
        for head, name in enumerate(names):
            roles[layer, head] = name
            _write_head(model, layer, head, space.build(name))
    first, second = (next(place for place, name in roles.items() if name == want) for want in _PLANTED)
    return GlassBox(model, Circuit(first, second, roles, ((first, second, "K"),)))


_PLANTED = ("previous token", "induction")
_Weights = tuple[Tensor, Tensor, Tensor, Tensor]


def _roles(generator: torch.Generator, n_heads: int) -> tuple[list[str], list[str]]:
    """The role of every head of layer 0 and of layer 1, in an order drawn from the generator."""

    def shuffled(names: list[str]) -> list[str]:
        return [names[i] for i in torch.randperm(len(names), generator=generator).tolist()]

    common = ["attends to itself", "attends to the first", "random"]
    lower, upper = shuffled(common), ["induction query, unread key", *shuffled(common)]
    fill = ["random"] * n_heads
    return (
        shuffled([_PLANTED[0], *(lower + fill)[: n_heads - 1]]),
        shuffled([_PLANTED[1], *(upper + fill)[: n_heads - 1]]),
    )


class _Space:
    """Orthonormal directions of the residual stream, one block of rows for each kind of content.

    `token` (written by the embedding), `position` and `constant` (by W_pos), `previous` (by the
    previous-token head), `unread` (by decoys; nothing reads it), `unwritten` (read by a decoy; nothing
    writes it) and `output` (read by W_U). The blocks are rows of one random orthogonal matrix, so no single
    coordinate means anything.
    """

    def __init__(self, generator: torch.Generator, d_vocab: int, n_ctx: int) -> None:
        self.generator = generator
        sizes = [d_vocab, n_ctx, 1, d_vocab, d_vocab, d_vocab, d_vocab]
        self.d_model, self.d_head = sum(sizes), max(n_ctx, d_vocab + 1)
        blocks = self._rotation(self.d_model).split(sizes)
        self.token, self.position, self.constant = blocks[:3]
        self.previous, self.unread, self.unwritten, self.output = blocks[3:]
        # A match outscores a place without one by 2 * margin, and the first position lies half-way. So both
        # softmaxes, over n_ctx places and over d_vocab logits, put about a thousandth elsewhere.
        self.margin = torch.tensor(float(n_ctx)).log().item() + 7
        self.copy_strength = torch.tensor(float(d_vocab)).log().item() + 7

    def _rotation(self, size: int) -> Float[Tensor, "size size"]:
        # Double precision, because a rotation that is a little off would leak between the blocks.
        gaussian = torch.randn(size, size, generator=self.generator, dtype=torch.float64)
        q, r = torch.linalg.qr(gaussian)
        return q * r.diagonal().sign()  # without the signs, QR does not give a uniform rotation

    def build(self, role: str) -> _Weights:
        """W_Q, W_K, W_V [d_model d_head] and W_O [d_head d_model] of a head with this role."""
        query, key = self._attention(role)
        value, out = self._copy(self.output if role.startswith("induction") else self._target(role))
        if role == "random":
            query, key, value = (self._random_like(weight) for weight in (query, key, value))
        inner, outer = self._rotation(self.d_head), self._rotation(self.d_head)
        return query @ inner, key @ inner, value @ outer, outer.T @ out

    def _attention(self, role: str) -> tuple[Tensor, Tensor]:
        slots = torch.eye(self.d_head, dtype=torch.float64)
        places, tokens, spare = slots[: len(self.position)], slots[: len(self.token)], slots[-1:]
        start = self.position[:1].T @ spare
        if role == "attends to the first":
            query, key = self.constant.T @ spare, start
        elif role.startswith("induction"):
            source = self.previous if role == "induction" else self.unwritten
            query = self.token.T @ tokens + self.constant.T @ spare
            key = source.T @ tokens + start / 2
        else:  # position q asks for q - 1, or for itself; "random" only takes the size of these weights
            step = 0 if role == "attends to itself" else 1
            wanted = places[(torch.arange(len(places)) - step).clamp(min=0)]
            query, key = self.position.T @ wanted, self.position.T @ places
        scale = (2 * self.margin * self.d_head**0.5) ** 0.5  # a score is divided by the root of d_head
        return query * scale, key * scale

    def _target(self, role: str) -> Tensor:
        return self.previous if role == "previous token" else self._rotation(len(self.token)) @ self.unread

    def _copy(self, target: Tensor) -> tuple[Tensor, Tensor]:
        slots = torch.eye(self.d_head, dtype=torch.float64)[: len(self.token)]
        value = self.token.T @ slots
        if target is self.output:
            # Looking at the first position must say nothing: its position vector cancels token 0 there.
            value = value - self.position[:1].T @ slots[:1]
        return value, slots.T @ target

    def _random_like(self, weight: Tensor) -> Tensor:
        noise = torch.randn(weight.shape, generator=self.generator, dtype=torch.float64)
        return noise * weight.norm() / noise.norm()


def _write_head(model: TinyTransformer, layer: int, head: int, weights: _Weights) -> None:
    for name, weight in zip(("W_Q", "W_K", "W_V", "W_O"), weights, strict=True):
        getattr(model.blocks[layer].attn, name)[head].copy_(weight)


def _check_sizes(seed: int, n_heads: int, d_vocab: int, n_ctx: int) -> None:
    for name, value, smallest in (
        ("seed", seed, 0),
        ("n_heads", n_heads, 2),
        ("d_vocab", d_vocab, 4),
        ("n_ctx", n_ctx, 5),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
            raise ValueError(
                f"build_induction: {name} must be a whole number of at least {smallest}, got {value!r}. "
                "A circuit needs two heads in a layer (one planted, one decoy) and room for a repeat."
            )
