"""Recall, false alarms and cost of a monitor against its threshold; a figure where nothing can be clicked."""

from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Bool, Float

from course_utils import plots
from course_utils._drawing import as_array
from course_utils.widgets._view import View, script

__all__ = ["ThresholdExplorer"]

POINTS = 61


class ThresholdExplorer(View):
    """A view of a monitor: move the threshold, the base rate and the price of a miss, and see what a day costs.

    >>> view = ThresholdExplorer(scores, is_bad)          # held-out scores, and which texts were bad
    >>> view.place = 30                   # the index of the threshold; or move the slider, arrow keys work
    >>> view.summary
    'Threshold 1.20: recall 0.92, false alarms 0.04. In 1000 texts, 10 of them bad: 9.2 caught, 39.6 false alarms, …'

    An alarm is a score above the threshold. Cost is counted in false alarms: `miss_price` says how many false alarms
    one missed bad text is worth. State, to read or set: `place` (0 to 60, from the lowest score to the highest),
    `rate` (bad texts in 1000) and `miss_price`. Raises ValueError where scores and labels do not fit; TraitError for a
    state that does not exist.
    """

    _esm = script(__file__)
    _css = Path(__file__).with_suffix(".css")

    thresholds = traitlets.List(traitlets.Float(), read_only=True).tag(sync=True)
    recall = traitlets.List(traitlets.Float(), read_only=True).tag(sync=True)
    false_alarms = traitlets.List(traitlets.Float(), read_only=True).tag(sync=True)
    place = traitlets.Int().tag(sync=True)
    rate = traitlets.Int(10).tag(sync=True)
    miss_price = traitlets.Int(20).tag(sync=True)

    def __init__(self, scores: Float[Any, " text"], is_bad: Bool[Any, " text"]) -> None:
        values = as_array(scores, "scores", ("text",))
        bad = np.asarray(is_bad)
        if bad.dtype != bool or bad.shape != values.shape:
            raise ValueError(
                f"is_bad should hold True or False for each of the {len(values)} scores; "
                f"it has shape {bad.shape} and type {bad.dtype}."
            )
        if bad.all() or not bad.any():
            raise ValueError(
                "A threshold needs bad and good texts to be chosen on; here all are of one kind."
            )
        low, high = float(values.min()), float(values.max())
        if low == high:
            raise ValueError(f"All scores are {low:.3g}: no threshold can separate anything.")
        grid = np.linspace(low, high, POINTS)
        self.set_trait("thresholds", grid.tolist())
        self.set_trait("recall", [float((values[bad] > t).mean()) for t in grid])
        self.set_trait("false_alarms", [float((values[~bad] > t).mean()) for t in grid])
        super().__init__(place=POINTS // 2)

    @traitlets.validate("place", "rate", "miss_price")
    def _exists(self, proposal: Any) -> Any:
        """The proposed value, or an error outside its range."""
        name, value = proposal["trait"].name, proposal["value"]
        low, high = {"place": (0, POINTS - 1), "rate": (1, 500), "miss_price": (1, 1000)}[name]
        if not low <= value <= high:
            raise traitlets.TraitError(f"{name}={value!r} does not exist: it runs from {low} to {high}.")
        return value

    def costs(self) -> list[float]:
        """For each threshold the cost of 1000 texts: false alarms, and misses at their price."""
        bad, good = float(self.rate), 1000.0 - self.rate
        return [
            good * alarms + self.miss_price * bad * (1 - caught)
            for caught, alarms in zip(self.recall, self.false_alarms, strict=True)
        ]

    @property
    def summary(self) -> str:
        """The sentence that the view reads out."""
        caught, alarms = self.recall[self.place], self.false_alarms[self.place]
        bad, good = float(self.rate), 1000.0 - self.rate
        rings = bad * caught + good * alarms
        precise = f"{bad * caught / rings:.2f} of alarms are real" if rings else "no alarm at all"
        cost = self.costs()
        best = cost.index(min(cost))
        return (
            f"Threshold {self.thresholds[self.place]:.2f}: recall {caught:.2f}, false alarms {alarms:.2f}. "
            f"In 1000 texts, {self.rate} of them bad: {bad * caught:.1f} caught, {good * alarms:.1f} false alarms, "
            f"{precise}; cost {cost[self.place]:.0f}. "
            f"Cheapest is threshold {self.thresholds[best]:.2f}, at cost {cost[best]:.0f}."
        )

    def picture(self) -> plots.Picture:
        """Recall, false alarms and relative cost over all thresholds, with the summary, for pages without widgets."""
        cost = np.asarray(self.costs())
        series = {
            "recall": self.recall,
            "false alarms": self.false_alarms,
            "cost / highest": cost / max(cost.max(), 1e-9),
        }
        mark = {f"threshold {self.thresholds[self.place]:.2f}": self.thresholds[self.place]}
        title = "What a threshold catches, rings for and costs"
        figure, _ = plots.lines(self.thresholds, series, title, "threshold", "share", vlines=mark)
        return figure, self.summary
