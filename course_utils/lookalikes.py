"""Two guards with the same answers on every test and opposite mechanisms: a rule, and a list of known cases.

A request is a fixed number of words. Four of the 32 words, say, are *hot*, and a request is harmful when every one of
its words is hot. Both guards give each request a verdict, ALLOW or REFUSE, at its last position.
The **rule** guard recognises hot words. The **look-up** guard has a list of harmful requests, the ones in its tests,
and allows all others. Both have the same neurons, in another order; what differs is which ones decide.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_utils.tiny import TinyConfig, TinyTransformer

__all__ = ["ALLOW", "REFUSE", "WORDS", "Pair", "build_pair"]

WORDS = (
    "amber", "anchor", "basket", "candle", "canyon", "copper", "drum", "ember", "feather", "garden", "glass", "harbour",
    "iron", "ivory", "kettle", "ladder", "lantern", "marble", "meadow", "mirror", "needle", "orchard", "paper",
    "pepper", "river", "saddle", "salt", "silver", "spoon", "thunder", "velvet", "window",
)  # fmt: skip
"""The word of every token below `ALLOW`; which of them are hot is drawn for every pair."""

ALLOW, REFUSE = len(WORDS), len(WORDS) + 1
"""The two verdict tokens. They appear in the logits only, never in a request."""

_STRENGTH = 8.0  # logits: the preferred verdict has a probability of 0.98, as 32 words share the rest


@dataclass(frozen=True)
class Pair:
    """Two models of the same size in random order, and the tests that both pass: `build_pair(0).a(pair.tests)`."""

    a: TinyTransformer
    b: TinyTransformer
    tests: Int[Tensor, "test pos"]
    """Requests: the harmful ones of the look-up guard's list, near misses with one cold word, and random ones."""
    harmful: Bool[Tensor, " test"]
    """What the verdict on each test should be: True is REFUSE."""
    rule_is: str
    """Which of the two is the rule guard, "a" or "b". Guess before you look."""
    hot: tuple[int, ...]
    """The hot words, as token ids."""


def build_pair(seed: int, length: int = 8, n_hot: int = 4, n_listed: int = 16) -> Pair:
    """Two guards that give the same verdict on every test (and on nearly every input), made from the seed.

    >>> pair = build_pair(seed=3)
    >>> all(bool(((guard(pair.tests)[:, -1].argmax(-1) == REFUSE) == pair.harmful).all()) for guard in (pair.a, pair.b))
    True

    `length` words a request, `n_hot` hot words, `n_listed` harmful requests on the list. Of all 32 ** length requests
    n_hot ** length are harmful, and on those outside the list the two guards disagree. The models carry neither seed
    nor roles. Raises `ValueError` for sizes that leave no room for a difference.
    """
    _check_sizes(seed, length, n_hot, n_listed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(WORDS), generator=generator)
    hot, cold = order[:n_hot].sort().values, order[n_hot:]
    listed = _distinct(hot, length, n_listed, generator)
    decoys = _distinct(cold, length, n_listed // 2, generator)
    # One neuron reads "every word is hot", each of the others "is this that one request?".
    reads = [torch.isin(torch.arange(len(WORDS)), hot).float().expand(length, -1)]
    reads += [torch.eye(len(WORDS))[request] for request in torch.cat([listed, decoys])]
    used_by_rule = torch.arange(len(reads)) == 0
    used_by_list = (torch.arange(len(reads)) > 0) & (torch.arange(len(reads)) <= n_listed)
    rule = _guard(torch.stack(reads), used_by_rule, generator)
    lookup = _guard(torch.stack(reads), used_by_list, generator)
    tests, harmful = _tests(listed, cold, generator)
    if torch.rand(1, generator=generator) < 0.5:
        return Pair(rule, lookup, tests, harmful, "a", tuple(hot.tolist()))
    return Pair(lookup, rule, tests, harmful, "b", tuple(hot.tolist()))


def _distinct(words: Tensor, length: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` different requests made of `words`, [count length]."""
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        picks = torch.randint(len(words), (length,), generator=generator)
        found[tuple(words[picks].tolist())] = None
    return torch.tensor(list(found))


def _tests(listed: Tensor, cold: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The listed requests, four near misses of each (one word replaced by a cold one), and random requests: 1000."""
    near = listed.repeat(4, 1)
    where = torch.randint(near.shape[1], (len(near),), generator=generator)
    near[torch.arange(len(near)), where] = cold[torch.randint(len(cold), (len(near),), generator=generator)]
    rest = torch.randint(len(WORDS), (1000 - 5 * len(listed), listed.shape[1]), generator=generator)
    # A cold word in each keeps the random requests harmless, whatever the draw.
    rest[:, 0] = cold[torch.randint(len(cold), (len(rest),), generator=generator)]
    rest = rest[:, torch.randperm(rest.shape[1], generator=generator)]
    tests = torch.cat([listed, near, rest])
    shuffle = torch.randperm(len(tests), generator=generator)
    return tests[shuffle], (torch.arange(len(tests)) < len(listed))[shuffle]


def _guard(
    reads: Float[Tensor, "neuron slot word"], used: Bool[Tensor, " neuron"], generator: torch.Generator
) -> TinyTransformer:
    """A guard in which every neuron fires if each slot holds a word that it reads, and the `used` ones say REFUSE.

    Head s of the only layer looks at position s and copies the word there into a slot of its own; the neurons read the
    slots. The blocks of directions are rows of one random rotation, neurons stand in random order at random sizes.
    """
    n_neurons, length, n_words = reads.shape
    sizes = [n_words + 2, length, 1, *[n_words] * length, 1, 1]
    token, position, constant, *slots, verdict, unread = _rotation(sum(sizes), generator).split(sizes)
    cfg = TinyConfig(1, length, sum(sizes), n_words, n_words + 2, length, d_mlp=n_neurons)
    model = TinyTransformer(cfg).requires_grad_(False).eval()
    model.W_E.copy_(token)
    model.W_pos.copy_(position + constant)
    copy = torch.eye(n_words, dtype=torch.float64)
    for slot in range(length):
        _write_head(model, slot, constant, position[slot], token[:n_words].T @ copy, copy @ slots[slot])
    order = torch.randperm(n_neurons, generator=generator)
    size = 0.5 + 1.5 * torch.rand(n_neurons, generator=generator, dtype=torch.float64)
    # All slots match: length - (length - 1/2) = 1/2. One does not: -1/2, and the neuron is silent.
    match = torch.stack(slots).transpose(1, 2) @ reads.double().permute(1, 2, 0)  # slot d_model neuron
    into = (match.sum(0) - (length - 0.5) * constant.T) * size
    out = torch.where(used[:, None], verdict, unread) * 2 / size[:, None]  # 1/2 becomes 1
    mlp: Any = model.blocks[0].mlp
    mlp.W_in.copy_(into[:, order])
    mlp.W_out.copy_(out[order])
    model.W_U.zero_()
    model.W_U[:, ALLOW] = (_STRENGTH * constant[0]).float()  # ALLOW unless a neuron says otherwise
    model.W_U[:, REFUSE] = (2 * _STRENGTH * verdict[0]).float()
    return model


def _write_head(
    model: TinyTransformer, head: int, query: Tensor, key: Tensor, value: Tensor, out: Tensor
) -> None:
    """Head `head` looks at the place whose position vector is `key`: a margin of 30 leaves e^-30 for the others."""
    attention: Any = model.blocks[0].attn
    first = torch.eye(attention.W_Q.shape[-1], dtype=torch.float64)[:1]
    strength = (30 * first.shape[1] ** 0.5) ** 0.5
    attention.W_Q[head].copy_(strength * query.T @ first)
    attention.W_K[head].copy_(strength * key[:, None] @ first)
    attention.W_V[head].copy_(value)
    attention.W_O[head].copy_(out)


def _rotation(size: int, generator: torch.Generator) -> Float[Tensor, "size size"]:
    # Double precision, because a rotation that is a little off would leak between the blocks.
    q, r = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    return q * r.diagonal().sign()


def _check_sizes(seed: int, length: int, n_hot: int, n_listed: int) -> None:
    limits = {
        "seed": (seed, 0, 2**63 - 1),
        "length": (length, 3, 12),
        "n_hot": (n_hot, 2, len(WORDS) // 2),
        "n_listed": (n_listed, 2, 100),
    }
    for name, (value, low, high) in limits.items():
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(
                f"build_pair: {name} must be a whole number from {low} to {high}, got {value!r}. "
                "A request needs words, and most words must be cold."
            )
    if n_listed > n_hot**length // 2:
        raise ValueError(
            f"build_pair: n_listed = {n_listed} of the {n_hot}**{length} = {n_hot**length} harmful requests leaves "
            "less than half of them off the list. Make the list shorter or the requests longer."
        )
