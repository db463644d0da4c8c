"""Activations of SmolLM2 kept on disk, so that a probe can be trained without running the model.

>>> from course_utils.activations import load_probe_set
>>> sentiment = load_probe_set("sentiment")
>>> sentiment.texts[0], sentiment.labels[0], sentiment.groups[0]
('I thought the film was wonderful and we talked about it on the way home', tensor(1), 'wonderful')
>>> sentiment.at(15).shape  # text d_model
torch.Size([160, 576])

Texts and labels are in `data/probe-texts.csv`, activations in `assets/activations/`, each with a card beside it.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from torch import Tensor

__all__ = ["ProbeSet", "as_numbers", "load_probe_set", "probe_set_names"]

_ROOT = Path(__file__).parent
_TEXTS = _ROOT / "data" / "probe-texts.csv"
_WEIGHTS = _ROOT / "assets" / "activations" / "probes.safetensors"


@dataclass(frozen=True)
class ProbeSet:
    """Labelled texts with what SmolLM2 held on the last token of each."""

    name: str
    """Which set: one of `probe_set_names()`."""
    texts: tuple[str, ...]
    """What the model read, behind its start token."""
    labels: Int[Tensor, " text"]
    """0 or 1; the card says which is which."""
    groups: tuple[str, ...]
    """The adjective, couple of countries, noun or name that the text is about. Hold out whole groups, never rows."""
    topics: tuple[str, ...]
    """The template, or "free"."""
    lengths: Int[Tensor, " text"]
    """Tokens, with the start token."""
    layers: tuple[int, ...]
    """The layers kept: L is what block L reads, and the last is what the last block writes."""
    resid: Float[Tensor, "layer text d_model"]
    """The residual stream on the last token, each layer divided by one number so that the mean square entry is 1."""
    untrained: Float[Tensor, "text d_model"] | None
    """The same from a model with random weights at layer 15, scaled alike; None for the transfer sets."""
    scale: Float[Tensor, " layer"]
    """What each layer was divided by: a step in `resid` times this is a step in the model."""

    def at(self, layer: int) -> Float[Tensor, "text d_model"]:
        """The activations of one layer. Raises `ValueError` for a layer that was not kept."""
        if layer not in self.layers:
            raise ValueError(
                f"Layer {layer} of {self.name!r} was not kept. There are {list(self.layers)}: the files would be "
                "five times as large with all of them."
            )
        return self.resid[self.layers.index(layer)]


def probe_set_names() -> list[str]:
    """The names of the sets, sorted.

    >>> probe_set_names()
    ['entities', 'sentiment', 'sentiment-implicit', 'syntax', 'truth', 'truth-common']
    """
    return sorted(_rows())


@cache
def load_probe_set(name: str) -> ProbeSet:
    """The set of that name; the two with a hyphen have no templates and serve to test transfer.

    >>> load_probe_set("truth").labels.float().mean()
    tensor(0.5000)

    A transfer set is scaled by the numbers of the set that it belongs to, so that one probe fits both. Raises
    `ValueError` for another name.
    """
    if name not in _rows():
        raise ValueError(f"There is no probe set called {name!r}. There are {', '.join(probe_set_names())}.")
    rows = _rows()[name]
    with safe_open(_WEIGHTS, framework="pt") as file:
        layers = tuple(int(layer) for layer in file.metadata()["layers"].split(","))
        resid = file.get_tensor(name).float()
        scale = _root_mean_square(file.get_tensor(name.split("-")[0]).float())
        lengths = file.get_tensor(f"{name}/length")
        stored = f"{name}/untrained"
        untrained = file.get_tensor(stored).float() if stored in file.keys() else None  # noqa: SIM118 (not a dict)
    return ProbeSet(
        name=name,
        texts=tuple(row["text"] for row in rows),
        labels=torch.tensor([int(row["label"]) for row in rows]),
        groups=tuple(row["group"] for row in rows),
        topics=tuple(row["topic"] for row in rows),
        lengths=lengths,
        layers=layers,
        resid=resid / scale,
        untrained=None if untrained is None else untrained / _root_mean_square(untrained),
        scale=scale.flatten(),
    )


def as_numbers(names: Sequence[str]) -> Int[Tensor, " name"]:
    """One whole number for each name, the same for equal names, in the order of first appearance.

    >>> as_numbers(["good", "bad", "good"])
    tensor([0, 1, 0])
    """
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([known[name] for name in names])


def _root_mean_square(resid: Float[Tensor, "... text d_model"]) -> Float[Tensor, "... 1 1"]:
    return resid.square().mean(dim=(-2, -1), keepdim=True).sqrt()


@cache
def _rows() -> dict[str, list[dict[str, str]]]:
    out: dict[str, list[dict[str, str]]] = {}
    with _TEXTS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            out.setdefault(row["set"], []).append(row)
    return out
