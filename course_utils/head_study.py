"""What each head of SmolLM2 does to the indirect-object answer, and four circuits on trial: measured beforehand.

>>> study = load_head_study()
>>> study.circuits["tidy"]                  # the heads that were kept, [(layer, head), ...]
>>> study.effects.shape                     # (30, 9): nats that the answer loses when this head alone is ablated

`training/head_study.py` measures it; `assets/head-study.md` says how. Lesson 06 uses it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.prompts import PromptPair, load_pairs

__all__ = ["HeadStudy", "Sentences", "load_head_study", "prepare"]

Head = tuple[int, int]
_FILE = Path(__file__).parent / "assets" / "head-study.json"


@dataclass(frozen=True)
class HeadStudy:
    """Effects and attention on eight prompts, four circuits chosen there, and how they did on eight others."""

    effects: Float[np.ndarray, "layer head"]
    """Logit difference lost when this head alone is mean-ablated, nats; negative where the answer gains."""
    attention: dict[str, Float[np.ndarray, "layer head"]]
    """Mean weight that each head puts where the story says it should look, by the name of that habit."""
    circuits: dict[str, list[Head]]
    """Named "tidy" (pruned), "large" (the 60 largest effects), "plausible" (by attention alone), "random"."""
    events: list[list[Head]]
    """Forty interventions that no circuit was chosen by: the heads that each ablates."""
    faithfulness: dict[str, float]
    """Of each circuit on the prompts of the trial, before any intervention; that of the model is 1."""
    lost: dict[str, Float[np.ndarray, " event"]]
    """Faithfulness that each intervention costs: in the "model" what happens, in a circuit what it predicts."""
    alone: dict[str, Float[np.ndarray, " head"]]
    """The same when one head of the tidy circuit is ablated, in its order: from the "model", and from "tidy"."""


def load_head_study() -> HeadStudy:
    """The study, from the course's assets."""
    raw = json.loads(_FILE.read_text(encoding="utf-8"))
    heads = {name: [(layer, head) for layer, head in some] for name, some in raw["circuits"].items()}
    return HeadStudy(
        effects=np.array(raw["effects"]),
        attention={name: np.array(values) for name, values in raw["attention"].items()},
        circuits=heads,
        events=[[(layer, head) for layer, head in event] for event in raw["events"]],
        faithfulness={name: entry["faithfulness"] for name, entry in raw["record"].items()},
        lost={name: np.array(entry["lost"]) for name, entry in raw["record"].items()},
        alone={name: np.array(raw["record"][name]["alone"]) for name in ("model", "tidy")},
    )


@dataclass(frozen=True)
class Sentences:
    """Clean prompts with what ablation needs: `sentences.difference(model(sentences.tokens))`."""

    tokens: Int[Tensor, "batch pos"]
    """The clean prompts; all have the same length."""
    right: Int[Tensor, " batch"]
    """The token of the right answer."""
    wrong: Int[Tensor, " batch"]
    """The token of the other name."""
    reference: Float[Tensor, "layer batch pos head d_head"]
    """For each prompt the mean `z` of its template's neutral prompts (three other names), position by position."""

    def difference(self, logits: Float[Tensor, "batch pos d_vocab"]) -> float:
        """The mean logit difference between right and wrong at the last position, nats."""
        rows = torch.arange(len(self.tokens))
        return float((logits[rows, -1, self.right] - logits[rows, -1, self.wrong]).mean())

    def __getitem__(self, some: slice) -> "Sentences":
        """Some of the sentences: `sentences[:8]`."""
        return Sentences(self.tokens[some], self.right[some], self.wrong[some], self.reference[:, some])


def prepare(model: Any, pairs: Sequence[PromptPair]) -> Sentences:
    """The clean prompts of these indirect-object pairs as tokens, with the reference for mean ablation.

    >>> sentences = prepare(smollm2, load_pairs("indirect-object")[8:16])
    >>> sentences.reference.shape
    torch.Size([30, 8, 15, 9, 64])

    The pairs must have the same length in tokens: all of "indirect-object" have; of the other set, those of a template.
    """
    right, wrong = (
        torch.tensor([model.to_single_token(getattr(pair, side)) for pair in pairs])
        for side in ("right", "wrong")
    )
    means = {}
    for template in {pair.template for pair in pairs}:
        every = [pair for name in ("indirect-object", "indirect-object-other") for pair in load_pairs(name)]
        neutral = model.to_tokens([pair.neutral for pair in every if pair.template == template])
        with torch.inference_mode():
            _, cache = model.run_with_cache(neutral, names_filter=lambda name: name.endswith("attn.hook_z"))
        layers = range(model.cfg.n_layers)
        means[template] = torch.stack(
            [cache[f"blocks.{layer}.attn.hook_z"].mean(0) for layer in layers]
        ).clone()
    reference = torch.stack([means[pair.template] for pair in pairs], dim=1)
    return Sentences(model.to_tokens([pair.clean for pair in pairs]), right, wrong, reference)
