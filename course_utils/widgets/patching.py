"""A heat map of patches to click through: what the model would say next, clean, corrupted and patched."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from course_utils import plots
from course_utils._drawing import as_array
from course_utils.widgets._view import View, script

__all__ = ["PatchingExplorer"]

MAX_CELLS = 1000  # beyond that, cells are too small to hit
SHOWN = 8  # answers that are kept for a cell


class PatchingExplorer(View):
    """A view of one number a patch: choose a cell, and compare the next-token probabilities of three runs.

    >>> view = PatchingExplorer(
    ...     effect=[[1.0, 0.0], [0.1, 0.9]], rows=["L0", "L1"], columns=["France", "is"], answers=[" Paris", " Tokyo"],
    ...     clean=[0.8, 0.1], corrupted=[0.1, 0.7], patched=[[[0.8, 0.1], [0.1, 0.7]], [[0.2, 0.6], [0.7, 0.1]]],
    ... )
    >>> view.row, view.column = 1, 1      # or click; arrow keys move
    >>> view.summary
    "L1, is: effect 0.90. P(' Paris'): clean 0.80, corrupted 0.10, patched 0.70."

    `effect` is [row column], such as recovery by layer and position; `clean` and `corrupted` hold one probability
    for each of the `answers` (the first is the clean answer), `patched` is [row column answer]. State, to read or
    set: `row` and `column`. Raises ValueError where shapes do not fit or probabilities lie outside [0, 1];
    TraitError where the state is set to a cell that does not exist.
    """

    _esm = script(__file__)
    _css = Path(__file__).with_suffix(".css")

    effect: Any = traitlets.List(read_only=True).tag(sync=True)
    rows = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    columns = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    answers = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    clean: Any = traitlets.List(read_only=True).tag(sync=True)
    corrupted: Any = traitlets.List(read_only=True).tag(sync=True)
    patched: Any = traitlets.List(read_only=True).tag(sync=True)
    label = traitlets.Unicode(read_only=True).tag(sync=True)
    row = traitlets.Int().tag(sync=True)
    column = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        effect: Float[Any, "row column"],
        rows: Sequence[str],
        columns: Sequence[str],
        answers: Sequence[str],
        clean: Float[Any, " answer"],
        corrupted: Float[Any, " answer"],
        patched: Float[Any, "row column answer"],
        label: str = "recovery (0 = corrupted, 1 = clean)",
    ) -> None:
        shape = (len(rows), len(columns))
        values = as_array(effect, "effect", ("row", "column"), shape)
        if not 0 < values.size <= MAX_CELLS or not answers:
            raise ValueError(
                f"effect has {values.size} cells and there are {len(answers)} answers; show 1 to {MAX_CELLS} cells, "
                "and at least one answer. Fewer layers make larger cells."
            )
        told = len(answers)
        self.set_trait("effect", values.tolist())
        self.set_trait("rows", [str(name) for name in rows])
        self.set_trait("columns", [str(name) for name in columns])
        self.set_trait("answers", [str(answer) for answer in answers][:SHOWN])
        for name, given, axes, size in (
            ("clean", clean, ("answer",), (told,)),
            ("corrupted", corrupted, ("answer",), (told,)),
            ("patched", patched, ("row", "column", "answer"), (*shape, told)),
        ):
            self.set_trait(name, _as_probabilities(given, name, axes, size)[..., :SHOWN].tolist())
        self.set_trait("label", label)
        row, column = divmod(int(np.argmax(np.abs(values))), shape[1])
        super().__init__(row=row, column=column)

    @traitlets.validate("row", "column")
    def _exists(self, proposal: Any) -> int:
        """The proposed value, or an error if there is no such row or column."""
        name, value = proposal["trait"].name, proposal["value"]
        count = len(self.rows if name == "row" else self.columns)
        if not 0 <= value < count:
            raise traitlets.TraitError(
                f"{name}={value} does not exist: there are {count}, numbered 0 to {count - 1}."
            )
        return value

    @property
    def summary(self) -> str:
        """The sentence that the view reads out: the chosen cell, its effect, and the first answer in three runs."""
        runs = {
            "clean": self.clean[0],
            "corrupted": self.corrupted[0],
            "patched": self.patched[self.row][self.column][0],
        }
        told = ", ".join(f"{name} {value:.2f}" for name, value in runs.items())
        place = f"{self.rows[self.row]}, {self.columns[self.column]}"
        return f"{place}: effect {self.effect[self.row][self.column]:.2f}. P({self.answers[0]!r}): {told}."

    def picture(self) -> plots.Picture:
        """The whole map as a figure, with the chosen cell in words, for pages without widgets."""
        rows, columns = (
            [name.replace(" ", "\u00a0") for name in names] for names in (self.rows, self.columns)
        )
        figure, said = plots.matrix(
            self.effect, rows, columns, "What each patch restores", self.label, signed=True,
            ylabel="patched at", xlabel="place",
        )  # fmt: skip
        return figure, f"{self.summary} {said}"


def _as_probabilities(value: Any, name: str, axes: tuple[str, ...], shape: tuple[int, ...]) -> np.ndarray:
    array = as_array(value, name, axes, shape)
    if array.min() < 0 or array.max() > 1 + 1e-6:
        raise ValueError(
            f"{name} runs from {array.min():.3g} to {array.max():.3g}; it should hold probabilities. Take the softmax "
            "over the whole vocabulary first, then choose the answers."
        )
    return np.round(np.minimum(array, 1), 5)
