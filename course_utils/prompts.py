"""Prompts in pairs: a clean one and a twin in which one word differs, and so does the right answer.

>>> pair = load_pairs("indirect-object")[0]
>>> pair.clean, pair.right
('When Lucy and Mary went to the shop, Mary gave a drink to', ' Lucy')
>>> pair.corrupted, pair.wrong        # the corrupted prompt's answer is the clean prompt's wrong one
('When Lucy and Mary went to the shop, Lucy gave a drink to', ' Mary')

The rows are in `data/prompt-pairs.csv`, described in the card beside it. Lessons 05 and 06 use them.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NAMES", "OTHER_TEMPLATES", "TEMPLATES", "PromptPair", "load_pairs", "pair_sets"]

# fmt: off
NAMES = (
    "John", "Mary", "James", "Anna", "Tom", "Sarah", "David", "Emma", "Paul", "Laura",
    "Peter", "Kate", "Simon", "Alice", "Daniel", "Michael", "Adam", "Lucy", "Henry", "Jane",
)
# fmt: on
"""Twenty first names; with a space in front each is one token of SmolLM2."""

TEMPLATES = (
    "When {first} and {second} went to the shop, {giver} gave a drink to",
    "After {first} and {second} met at the station, {giver} handed a letter to",
    "Yesterday {first} met {second} at school, where {giver} lent a book to",
    "Once {first} and {second} arrived at the party, {giver} gave a present to",
    "When {first} and {second} sat in the kitchen, {giver} read a story to",
    "As {first} and {second} walked through the park, {giver} threw a ball to",
    "After {first} and {second} stayed at the hotel, {giver} sent a card to",
    "When {first} and {second} played in the band, {giver} taught a song to",
)
"""Eight sentences of 15 tokens each, the start token counted, with the names at positions 2, 4 and 10."""

OTHER_TEMPLATES = (
    "Then, {first} and {second} had a long talk, and afterwards {giver} gave the keys to",
    "At dinner {first} sat beside {second}, and {giver} told a joke to",
    "My friends {first} and {second} were cooking. As always, {giver} passed the salt to",
    "The teachers {first} and {second} shared a desk, so {giver} left a note for",
    "The cousins {first} and {second} were at war until {giver} wrote a letter to",
    "In the morning {first} and {second} went fishing, and {giver} threw the net to",
)
"""Six sentences of other shapes and lengths, to see whether something found on `TEMPLATES` holds on them."""

_FILE = Path(__file__).parent / "data" / "prompt-pairs.csv"


@dataclass(frozen=True)
class PromptPair:
    """Two prompts of the same length in tokens, and the two answers between which they decide."""

    clean: str
    """The prompt whose answer is `right`."""
    corrupted: str
    """The same with one word exchanged, so that its answer is `wrong`."""
    neutral: str
    """The same sentence with three other names, none of them twice (indirect objects only; else empty)."""
    right: str
    """The clean prompt's answer with its leading space: one token of SmolLM2."""
    wrong: str
    """The corrupted prompt's answer, likewise one token."""
    template: str
    """The sentence that both fill in."""


def load_pairs(name: str = "indirect-object", template: str | None = None) -> list[PromptPair]:
    """The pairs of that set in the order of the file, or only those of one `template`.

    >>> pairs = load_pairs("indirect-object")[:8]             # one for each template; the same length
    >>> tokens = model.to_tokens([pair.clean for pair in pairs])   # [8 15]; SmolLM2's start token is put in front

    Sets: "indirect-object" (48: eight templates by six, template after template, then again), "indirect-object-other"
    (36), "capital" (16) and "landmark" (6). Raises ValueError for another name, or a template that the set lacks.
    """
    if name not in pair_sets():
        raise ValueError(
            f"There is no set of pairs called {name!r}. The course has: {', '.join(pair_sets())}."
        )
    pairs = [PromptPair(**row) for kind, row in _rows() if kind == name]
    if template is not None:
        pairs = [pair for pair in pairs if pair.template == template]
        if not pairs:
            raise ValueError(
                f"No pair of {name!r} fills in {template!r}. Pass one of its templates, such as {_first(name)!r}."
            )
    return pairs


def pair_sets() -> list[str]:
    """The names of the sets, sorted: what `load_pairs` takes."""
    return sorted({kind for kind, _ in _rows()})


def _rows() -> list[tuple[str, dict[str, str]]]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        return [(row.pop("set"), row) for row in csv.DictReader(file)]


def _first(name: str) -> str:
    return next(row["template"] for kind, row in _rows() if kind == name)
