"""A small transformer that holds two features of its input and uses one: what can be read is not what is used.

The input is the start token, one word, and token 1 ("and?"). Every word has two properties, *used* and *unused*,
each 0 or 1, drawn independently of each other. A head of layer 0 writes both on the last token, in the same way and
with the same strength. A head of layer 1 reads the first of them there and answers token 2 or token 3. Nothing reads
the second: its direction is orthogonal to every weight that comes after.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.tiny import TinyConfig, TinyTransformer

__all__ = ["HOOK", "TwoFeatures", "build_two_features"]

HOOK = "blocks.0.hook_resid_post"
"""Where both features lie on the last token, before anything has read them."""
FIRST_WORD, SIZE = 4, 1.0  # tokens 0 to 3: start, "and?", and the two answers
CONFIDENCE = 6.0  # logit difference of a right answer, nats, to either side


@dataclass(frozen=True)
class TwoFeatures:
    """The model, every word as an input, and the truth about it; the model itself knows nothing of it."""

    model: TinyTransformer
    """Two layers of attention; weights set by hand."""
    tokens: Int[Tensor, "word pos"]
    """One row for each word: start, word, token 1."""
    used: Int[Tensor, " word"]
    """The property on which the answer depends, 0 or 1: half of the words have each value."""
    unused: Int[Tensor, " word"]
    """The property that is written and never read."""
    directions: Float[Tensor, "2 d_model"]
    """The step from 0 to 1 of the used and of the unused property, at `HOOK` on the last token."""


def build_two_features(seed: int, n_words: int = 48, d_noise: int = 12) -> TwoFeatures:
    """A fresh model with one feature that is used and one that is only present.

    >>> box = build_two_features(seed=3)
    >>> logits = box.model(box.tokens)[:, -1]
    >>> (logits[:, 3] > logits[:, 2]).long().equal(box.used)  # token 3 is the answer "1"
    True

    The same seed gives bitwise the same weights. Another seed turns the residual stream and gives the properties to
    other words. Each word also has `d_noise` numbers of its own, which reach the last token too: no probe sees the two
    properties alone. Raises `ValueError` for fewer than 8 words, or a number of words that 4 does not divide.
    """
    if n_words < 8 or n_words % 4:
        raise ValueError(
            f"build_two_features: n_words must be 8 or more and divisible by 4, got {n_words!r}. "
            "Each pair of values of the two properties goes to a quarter of the words."
        )
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.arange(4).repeat(n_words // 4)[torch.randperm(n_words, generator=generator)]
    used, unused = kinds // 2, kinds % 2
    d_word, d_last = 2 + d_noise, 4  # what a word holds; position 0, position 1, position 2, answer
    basis = _rotation(2 * d_word + d_last, generator)
    word, last, places, answer = basis.split([d_word, d_word, 3, 1])

    cfg = TinyConfig(2, n_heads=1, d_model=len(basis), d_head=d_word, d_vocab=FIRST_WORD + n_words, n_ctx=3)
    model = TinyTransformer(cfg).requires_grad_(False).eval()
    noise = torch.randn(n_words, d_noise, generator=generator, dtype=torch.float64)
    properties = torch.stack([used, unused], dim=1).double() * 2 - 1
    model.W_E.zero_()
    model.W_E[FIRST_WORD:] = torch.cat([SIZE * properties, noise], dim=1) @ word
    model.W_pos.copy_(places)
    _attend(model, 0, query=places[2], key=places[1])
    _move(model, 0, word.T, last)  # the word's properties and noise, to directions of the last token's own
    _attend(model, 1, query=places[2], key=places[2])
    _move(model, 1, last[:1].T, answer)
    model.W_U.zero_()
    model.W_U[:, 2], model.W_U[:, 3] = -answer[0] * CONFIDENCE / 2, answer[0] * CONFIDENCE / 2
    tokens = torch.stack(
        [torch.zeros(n_words), torch.arange(n_words) + FIRST_WORD, torch.ones(n_words)], dim=1
    )
    return TwoFeatures(model, tokens.long(), used, unused, 2 * SIZE * last[:2].float())


def _rotation(size: int, generator: torch.Generator) -> Float[Tensor, "size size"]:
    gaussian = torch.randn(size, size, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(gaussian)
    return q * r.diagonal().sign()  # without the signs, QR does not give a uniform rotation


def _attend(model: TinyTransformer, layer: int, query: Tensor, key: Tensor) -> None:
    """Nothing: the head of this layer looks from where `query` is to where `key` is, with weight above 0.999."""
    attn: Any = model.blocks[layer].attn
    sharp = (20 * model.cfg.d_head**0.5) ** 0.5
    attn.W_Q.zero_()
    attn.W_K.zero_()
    attn.W_Q[0, :, 0], attn.W_K[0, :, 0] = sharp * query, sharp * key


def _move(model: TinyTransformer, layer: int, source: Tensor, target: Tensor) -> None:
    """Nothing: the head of this layer writes what lies along `source` into the directions `target`."""
    attn: Any = model.blocks[layer].attn
    width = len(target)
    attn.W_V.zero_()
    attn.W_O.zero_()
    attn.W_V[0, :, :width], attn.W_O[0, :width] = source, target
