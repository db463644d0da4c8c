"""Glass boxes of which nothing is told, a bench for interventions on them, and what a report of them predicts.

A prompt is START, some words, ASK; the model says YES or NO at its last position. Which positions count, which words
speak for YES, and which heads carry that, is for the investigator to find out: the kind is drawn from the seed too.

>>> box = draw_unknown(seed=4)
>>> bench = Bench(box.model, box.behaviour, 48, np.random.default_rng(0))
>>> bench(set()).mean(), bench(set(bench.nodes)).mean()     # share of prompts answered: nothing off, everything off
(1.0, 0.0)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from course_utils.interventions import head_values
from course_utils.planted import ASK, FIRST_WORD, KINDS, MORE_KINDS, NO, START, YES, Head, build_planted
from course_utils.tiny import TinyTransformer

__all__ = ["Bench", "Unknown", "draw_off", "draw_prompts", "draw_unknown", "says_yes", "survival"]

Node = Head | str
"""A head as (layer, head), or a word as "word 3": the one at position 3."""
Behaviour = dict[int, set[int]]
"""For each position that counts, the words (token ids) there that speak for YES."""
Way = tuple[set[Node], float]
"""Nodes that are enough for the answer, and the share of prompts that they answer alone."""


@dataclass(frozen=True)
class Unknown:
    """A model, and the truth about it, which the model does not carry."""

    model: TinyTransformer
    kind: str
    """Which of the planted kinds it is; "nothing" if its answer is NO whatever is asked."""
    behaviour: Behaviour
    """What it does: position to words that speak for YES."""
    circuit: set[Head]
    """Every head that carries the answer on some run, one that sleeps until another is silent included."""
    ways: list[Way]
    """Every smallest set of heads and words that is enough, with its share."""


def draw_unknown(seed: int, kind: str | None = None) -> Unknown:
    """A glass box of a kind drawn from the seed (never "nothing", unless you ask for it), with its truth.

    The same seed gives the same box. Prompts have 7 to 10 tokens (`model.cfg.n_ctx`). Raises `ValueError` for an
    unknown kind or a seed that is no whole number.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"draw_unknown: seed must be a whole number of at least 0, got {seed!r}.")
    rng = np.random.default_rng(seed)
    drawn = str(rng.choice([one for one in KINDS + MORE_KINDS if one != "nothing"]))
    box = build_planted(kind or drawn, int(rng.integers(2**31)), n_ctx=int(rng.integers(7, 11)))
    words = [word for word in range(FIRST_WORD, len(box.bits)) if box.bits[word]]
    ways: list[Way] = []
    for heads, share in zip(box.circuit.minimal, box.circuit.shares, strict=True):
        read = {_look(box.model, box.corrupted, head, box.circuit.writes_at) for head in _readers(box, heads)}
        ways.append(({*heads, *(f"word {place}" for place in read)}, share))
    behaviour = {place: set(words) for place in box.circuit.sources}
    return Unknown(box.model, box.circuit.kind, behaviour, set(box.circuit.nodes), ways)


def draw_prompts(model: TinyTransformer, n: int, rng: np.random.Generator) -> Int[Tensor, "prompt pos"]:
    """`n` prompts with random words, such as a user might send who knows nothing of the model."""
    tokens = rng.integers(FIRST_WORD, model.cfg.d_vocab, (n, model.cfg.n_ctx))
    tokens[:, 0], tokens[:, -1] = START, ASK
    return torch.tensor(tokens)


def says_yes(model: TinyTransformer, tokens: Int[Tensor, "prompt pos"]) -> Bool[np.ndarray, " prompt"]:
    """Whether the model answers YES rather than NO at the last position, for each prompt."""
    return _yes(model(tokens))


class Bench:
    """`n` prompts answered YES, their twins answered NO, and interventions that give nodes their values on the twin.

    Clean prompts have a word for YES at every position of `behaviour`, their *twins* a word for NO; all other words are
    the same. `bench(off)` says for each clean prompt whether the answer is still YES when the nodes of `off` get the
    values that they have on the twin. Raises `ValueError` if the behaviour is empty: then there are no twins.
    """

    def __init__(
        self, model: TinyTransformer, behaviour: Mapping[int, Iterable[int]], n: int, rng: np.random.Generator
    ) -> None:
        if not behaviour:
            raise ValueError(
                "Bench: the behaviour names no position, so no word changes the answer: no bench."
            )
        self.model = model
        self.places = sorted(behaviour)
        self.clean, self.twins = draw_prompts(model, n, rng), torch.empty(0)
        self.twins = self.clean.clone()
        for place in self.places:
            speak = sorted(behaviour[place])
            others = [word for word in range(FIRST_WORD, model.cfg.d_vocab) if word not in behaviour[place]]
            if not speak or not others:
                raise ValueError(f"Bench: position {place} needs words for YES and words for NO.")
            self.clean[:, place] = torch.tensor(rng.choice(speak, n))
            self.twins[:, place] = torch.tensor(rng.choice(others, n))
        self.values = head_values(model, self.twins)
        heads = [(layer, head) for layer in range(model.cfg.n_layers) for head in range(model.cfg.n_heads)]
        self.nodes: list[Node] = [*heads, *(f"word {place}" for place in self.places)]
        """All heads, and the words that count: what can be switched off."""

    def __call__(self, off: Iterable[Node]) -> Bool[np.ndarray, " prompt"]:
        """For each prompt whether the answer is still YES with these nodes off."""
        nodes = set(off)
        unknown = [node for node in nodes if node not in self.nodes]
        if unknown:
            raise ValueError(
                f"Bench: {unknown[0]!r} is no node of this box. Heads are (layer, head); the words are "
                f"{', '.join(repr(f'word {place}') for place in self.places)}."
            )
        words = [place for place in self.places if f"word {place}" in nodes]
        tokens = self.clean.clone()
        tokens[:, words] = self.twins[:, words]
        silent = [node for node in nodes if not isinstance(node, str)]

        def swap(z: Tensor, hook: Any) -> Tensor:
            here = [head for layer, head in silent if layer == hook.layer()]
            z = z.clone()
            z[:, :, here] = self.values[hook.layer()][:, :, here]
            return z

        with torch.inference_mode():
            hooks: list[Any] = [(lambda name: name.endswith("attn.hook_z"), swap)]
            return _yes(self.model.run_with_hooks(tokens, fwd_hooks=hooks))


def survival(ways: Sequence[Way], off: Iterable[Node]) -> float:
    """The share of prompts whose answer survives switching these nodes off, as a report's ways predict it.

    >>> survival([({(0, 1), "word 2"}, 1.0), ({(2, 0), "word 2"}, 0.6)], off={(0, 1)})
    0.6

    A way that has a node in `off` is broken; of the others the best one answers. Without any, 0.
    """
    gone = set(off)
    return max((float(share) for nodes, share in ways if not gone & set(nodes)), default=0.0)


def draw_off(nodes: Sequence[Node], n: int, rng: np.random.Generator) -> list[set[Node]]:
    """`n` random interventions: sets of one to five nodes, drawn without a look at any report."""
    return [
        {nodes[i] for i in rng.choice(len(nodes), int(size), replace=False)} for size in rng.integers(1, 6, n)
    ]


def _yes(logits: Tensor) -> Bool[np.ndarray, " prompt"]:
    return (logits[:, -1, YES] > logits[:, -1, NO]).numpy()


def _readers(box: Any, heads: Iterable[Head]) -> list[Head]:
    """The heads among these that read a word by themselves."""
    reading = {receiver for sender, receiver, into in box.circuit.edges if sender == "embed" and into == "V"}
    return [head for head in heads if head in reading]


def _look(model: TinyTransformer, tokens: Tensor, head: Head, writes_at: Mapping[Head, int]) -> int:
    """Where the head looks on tokens that leave its gate open: its largest score, resting place aside."""
    _, cache = model.run_with_cache(tokens[:1])
    scores = cache["attn_scores", head[0]][0, head[1], writes_at[head]].clone()
    scores[0] = -torch.inf
    return int(scores.argmax())
