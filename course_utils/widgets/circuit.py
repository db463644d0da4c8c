"""Heads of a small model to switch on and off, with the faithfulness of what is on; a picture where nothing runs."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from course_utils import plots
from course_utils._drawing import figure_html
from course_utils.widgets._view import View, script

__all__ = ["CircuitBuilder"]

MOST_HEADS = 144  # a click runs the model once; a larger grid cannot be explored by hand
Head = tuple[int, int]


class CircuitBuilder(View):
    """A board of heads: those that are off are ablated, and the bar shows how much of the answer is left.

    >>> view = CircuitBuilder(run, n_layers=4, n_heads=4)     # run(heads) -> metric with only these heads kept
    >>> view                                # as the last line of a cell
    >>> view.heads, view.faithfulness       # in a later cell: what is on, and how faithful it is

    The bar is (m(C) − m(∅)) / (m(M) − m(∅)). State (read it, or set it): `kept`, the heads that are on as "L0H1"
    names. `tried` counts the different circuits so far, and `summary` says what is shown. Needs a running kernel.

    Raises ValueError where the board is larger than 144 heads, or the model does as well without any head as with
    all; TraitError for a head that does not exist.
    """

    _esm = script(__file__)
    _css = Path(__file__).with_suffix(".css")

    n_layers = traitlets.Int(read_only=True).tag(sync=True)
    n_heads = traitlets.Int(read_only=True).tag(sync=True)
    kept = traitlets.List(traitlets.Unicode()).tag(sync=True)
    faithfulness = traitlets.Float(1.0, read_only=True).tag(sync=True)
    tried = traitlets.Int(0, read_only=True).tag(sync=True)

    def __init__(
        self,
        run: Callable[[set[Head]], float],
        n_layers: int,
        n_heads: int,
        kept: Iterable[Head] | None = None,
    ) -> None:
        if not 0 < n_layers * n_heads <= MOST_HEADS:
            raise ValueError(f"{n_layers} x {n_heads} heads: the board takes 1 to {MOST_HEADS}.")
        every = {(layer, head) for layer in range(n_layers) for head in range(n_heads)}
        self._run = run
        self._known: dict[frozenset[Head], float] = {}
        self._whole, self._empty = float(run(every)), float(run(set()))
        if self._whole == self._empty:
            raise ValueError(f"with all heads and with none the metric is {self._whole:g}: nothing to show.")
        self.set_trait("n_layers", n_layers)
        self.set_trait("n_heads", n_heads)
        super().__init__(kept=[_name(head) for head in sorted(every if kept is None else kept)])
        self._measure()

    @traitlets.validate("kept")
    def _exist(self, proposal: Any) -> list[str]:
        """The proposed names sorted and once each, or an error if there is no such head."""
        every = {_name((layer, head)) for layer in range(self.n_layers) for head in range(self.n_heads)}
        unknown = sorted(set(proposal["value"]) - every)
        if unknown:
            raise traitlets.TraitError(
                f"{unknown[0]!r} does not exist: {self.n_layers} layers of {self.n_heads} heads."
            )
        return sorted(set(proposal["value"]), key=_head)

    @traitlets.observe("kept")
    def _measure(self, change: Any = None) -> None:
        chosen = frozenset(self.heads)
        if chosen not in self._known:
            self._known[chosen] = (float(self._run(set(chosen))) - self._empty) / (self._whole - self._empty)
        self.set_trait("faithfulness", self._known[chosen])
        self.set_trait("tried", len(self._known))

    @property
    def heads(self) -> set[Head]:
        """The heads that are on, as (layer, head)."""
        return {_head(name) for name in self.kept}

    @property
    def summary(self) -> str:
        """The sentence that the view reads out."""
        names = ", ".join(self.kept) if 0 < len(self.kept) <= 8 else ""
        total = self.n_layers * self.n_heads
        on = f"{len(self.kept)} of {total} heads on" + (f": {names}" if names else "")
        return f"{on}. Faithfulness {self.faithfulness:.2f}."

    def picture(self) -> plots.Picture:
        """What is on and off as a figure, for `plots.show` and for pages without a kernel."""
        board = np.zeros((self.n_layers, self.n_heads))
        for layer, head in self.heads:
            board[layer, head] = 1
        title = f"{len(self.kept)} heads on: faithfulness {self.faithfulness:.2f}"
        named = sorted(self.heads) if len(self.kept) <= 20 else []
        figure, _ = plots.head_grid(board, title, "1 = on, 0 = ablated", mark=named)
        return figure, f"{self.summary} Switching heads needs a running notebook."

    def _still(self) -> tuple[str, str]:
        return figure_html(self.picture()), self.summary


def _name(head: Head) -> str:
    return f"L{head[0]}H{head[1]}"


def _head(name: str) -> Head:
    layer, head = name[1:].split("H")
    return int(layer), int(head)
