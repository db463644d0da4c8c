"""Reading a bank of activations: windows of text, the words of a latent's strongest firings, numbers for every latent.

>>> from course_utils.readings import Reading, latent_numbers, word_rule
>>> reading = Reading(load_bank("middle"), smollm2.tokenizer)
>>> reading.words(17)                     # the words under its ten strongest firings in the texts for reading
('father', 'mother')
>>> words, acts, seen = reading.windows(17, np.random.default_rng(0))
>>> word_rule(reading.words(17))(words[0])  # where a rule "fires on these words" says that it should fire
[False, False, True, False]

Texts with an even number are for reading, those with an odd number for testing what was read. Everything here that a
reader sees or that a description is written from (`acts`, `marked`, `strongest`, `words`, `agreement`) knows the former
only; `windows` and `dense` give both, since they are for counting.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Reading", "latent_numbers", "other_words", "plain", "word_rule"]

BEFORE, AFTER = 8, 3  # tokens of a window around its own: twelve in all
FEWEST = 5  # a latent with fewer firings has no number that means anything


def plain(token: str) -> str:
    """The token without blanks and in small letters; a token of blanks stays as it is.

    >>> plain(" Father")
    'father'
    """
    return token.strip().lower() or token


def word_rule(words: Sequence[str]) -> Callable[[list[str]], list[bool]]:
    """A rule that claims every token whose plain form is one of `words`.

    >>> word_rule(["cat"])([" The", " Cat"])
    [False, True]
    """
    known = {plain(word) for word in words}
    return lambda window: [plain(token) in known for token in window]


def other_words(words: Collection[str], spelt: Sequence[str], rng: np.random.Generator) -> set[str]:
    """For each of `words` that occurs in `spelt`, another word, drawn from the eight whose count there is nearest.

    >>> other_words({"cat"}, ["cat", "dog", "cat", "dog", "it"], np.random.default_rng(0))
    {'dog'}

    A control for a set of words that mean one thing. Only words of letters are drawn; none is one of `words`.
    """
    count = Counter(spelt)
    others = sorted(word for word in count if word.isalpha() and word not in words)
    drawn: set[str] = set()
    for word in sorted(set(words) & count.keys()):
        free = sorted(set(others) - drawn, key=lambda other: (abs(count[other] - count[word]), other))
        drawn.add(str(rng.choice(free[:8])))
    return drawn


class Reading:
    """A bank with its text spelt out. `bank` is what `load_bank` returns, `tokenizer` that of its model.

    `bank.only(reading.for_reading)` is the part of the bank that may be shown to a reader.
    """

    def __init__(self, bank: Any, tokenizer: Any) -> None:
        self.bank = bank
        ids, place = bank.tokens.unique(return_inverse=True)
        spelt = tokenizer.batch_decode([[int(token)] for token in ids])
        self.text: list[str] = [spelt[int(index)] for index in place]
        self.for_reading: Bool[Tensor, " token"] = bank.documents % 2 == 0
        self.acts = lru_cache(maxsize=64)(self._acts)

    def _acts(self, latent: int) -> Float[Tensor, " token"]:
        """The latent's activation on every token; 0 in the texts for testing, whatever it does there."""
        return torch.where(self.for_reading, self._all_acts(latent), 0.0)

    def _all_acts(self, latent: int) -> Float[Tensor, " token"]:
        """The latent's activation on every token of the text, mostly 0."""
        out = torch.zeros(len(self.bank.tokens))
        where, value = self.bank.of(latent)
        out[where] = value
        return out

    def marked(self, latent: int, start: int, stop: int) -> str:
        """The text from `start` to `stop` in one line, with [[ ]] around tokens on which the latent fires."""
        fires = self.acts(latent)[start:stop] > 0
        shown = [
            f"[[{token}]]" if on else token for token, on in zip(self.text[start:stop], fires, strict=True)
        ]
        return "".join(shown).replace("\n", "↵")

    def firings(self, latent: int) -> list[int]:
        """The tokens on which the latent fires in the texts for reading, weakest firing first."""
        where, value = self.bank.of(latent)
        mine = self.for_reading[where]
        return where[mine][value[mine].argsort(stable=True)].tolist()

    def strongest(self, latent: int, count: int = 10) -> list[int]:
        """The tokens of the `count` strongest firings in the texts for reading; windows may overlap."""
        where, value = self.bank.of(latent)
        mine = self.for_reading[where]
        return where[mine][value[mine].argsort(descending=True, stable=True)][:count].tolist()

    def words(self, latent: int, count: int = 10) -> tuple[str, ...]:
        """The different plain words under these firings, the strongest first."""
        return tuple(dict.fromkeys(plain(self.text[place]) for place in self.strongest(latent, count)))

    def agreement(self, latent: int, words: Sequence[str]) -> list[float]:
        """The share of firings on `words` in each quarter of the firings in the texts for reading, weakest first."""
        places = self.firings(latent)
        on = np.array([plain(self.text[place]) in set(words) for place in places])
        return [float(part.mean()) if len(part) else float("nan") for part in np.array_split(on, 4)]

    def clear(self, most_words: int = 2, fewest: int = 24) -> list[int]:
        """Latents that look clear: ten firings in the texts for reading or more, the ten strongest on few words."""
        counts = torch.bincount(self.bank.latent, minlength=self.bank.d_sae)
        enough = (counts >= fewest).nonzero()[:, 0].tolist()
        return [
            latent
            for latent in enough
            if len(self.strongest(latent)) == 10 and len(self.words(latent)) <= most_words
        ]

    def windows(
        self, latent: int, rng: np.random.Generator, count: int = 60
    ) -> tuple[list[list[str]], Float[Tensor, "window pos"], Bool[Tensor, " window"]]:
        """Windows of twelve tokens for scoring a description: their tokens, activations, and which are for reading.

        Up to `count` around firings drawn at random, and as many in which the latent is silent; none crosses a text.
        """
        acts, size = self._all_acts(latent), BEFORE + AFTER + 1
        where, _ = self.bank.of(latent)
        places = rng.permutation(where.numpy())[:count]
        starts = [self._start(int(place)) for place in places]
        quiet: list[int] = []
        for place in rng.permutation(self.bank.kept.nonzero()[:, 0].numpy()):
            start = self._start(int(place))
            if len(quiet) == len(starts):
                break
            if not (acts[start : start + size] > 0).any():
                quiet.append(start)
        chosen = starts + quiet
        rows = torch.stack([acts[start : start + size] for start in chosen])
        words = [self.text[start : start + size] for start in chosen]
        return words, rows, self.for_reading[torch.tensor(chosen)]

    def dense(self, places: Int[Tensor, " token"]) -> Float[Tensor, "token latent"]:
        """All latents' activations on these tokens, zeros included: 18 kB a token."""
        row = torch.full((len(self.bank.tokens),), -1)
        row[places] = torch.arange(len(places))
        mine = row[self.bank.token_of] >= 0
        out = torch.zeros(len(places), self.bank.d_sae)
        out[row[self.bank.token_of][mine], self.bank.latent[mine]] = self.bank.value[mine]
        return out

    def table(self, scores: Mapping[int, Mapping[str, Any]], best: int, worst: int) -> str:
        """A line for each latent with the best and the worst detection scores: scores, recall in each band, words."""
        ranked = sorted(scores, key=lambda latent: -scores[latent]["detection"])
        lines = ["latent  detection  fuzzing  recall, weak to strong   false alarms  fires on"]
        for latent in [*ranked[:best], None, *ranked[len(ranked) - min(worst, len(ranked)) :]]:
            if latent is None:
                lines.append("   ...")
                continue
            found = scores[latent]
            recall = " ".join(f"{share:.2f}" for share in found["recall"])
            words = ", ".join(map(repr, self.words(latent)))
            lines.append(
                f"{latent:6}  {found['detection']:9.2f}  {found['fuzzing']:7.2f}  {recall:23}  "
                f"{found['false_alarms']:12.2f}  {words}"
            )
        return "\n".join(lines)

    def _start(self, place: int) -> int:
        """Where a window around `place` begins so that it stays in its text."""
        low, high = (
            int(torch.searchsorted(self.bank.documents, self.bank.documents[place], right=side))
            for side in (False, True)
        )
        return max(low, min(place - BEFORE, high - BEFORE - AFTER - 1))


def latent_numbers(bank: Any, W_dec: Float[Tensor, "latent d_model"]) -> dict[str, Float[Tensor, " latent"]]:
    """Five numbers that are often quoted for a latent, for all latents; nan for one with fewer than five firings.

    Density; the largest activation over the mean one; the largest share of firings on one token; the largest F1 of
    "fires on this token and nowhere else"; the largest cosine with another latent's decoder row.
    """
    latent, value = bank.latent, bank.value
    token = bank.tokens[bank.token_of]
    count = torch.bincount(latent, minlength=bank.d_sae).double()
    largest = torch.zeros(bank.d_sae).scatter_reduce(0, latent, value, "amax")
    mean = torch.zeros(bank.d_sae).index_add(0, latent, value) / count.clamp_min(1)
    vocab = int(bank.tokens.max()) + 1
    pairs, together = (latent * vocab + token).unique(return_counts=True)
    owner, word = pairs // vocab, pairs % vocab
    occurs = torch.bincount(bank.tokens[bank.kept], minlength=vocab)
    share = together / count[owner]
    f1 = 2 * together / (count[owner] + occurs[word])
    best = [
        torch.zeros(bank.d_sae).double().scatter_reduce(0, owner, x.double(), "amax") for x in (share, f1)
    ]
    unit = torch.nn.functional.normalize(W_dec.detach().float(), dim=1)
    near = torch.cat([_nearest(unit, start) for start in range(0, len(unit), 512)])
    numbers = {
        "density": count / bank.kept.sum(),
        "largest / mean activation": largest / mean,
        "share on one token": best[0],
        "F1 of one token": best[1],
        "cosine with the nearest": near,
    }
    rare = count < FEWEST
    return {name: x.float().masked_fill(rare, float("nan")) for name, x in numbers.items()}


def _nearest(unit: Float[Tensor, "latent d_model"], start: int) -> Float[Tensor, " some"]:
    """The largest cosine of each row of one block with any other row."""
    cosines = unit[start : start + 512] @ unit.T
    cosines[torch.arange(len(cosines)), start + torch.arange(len(cosines))] = -1
    return cosines.max(dim=1).values
