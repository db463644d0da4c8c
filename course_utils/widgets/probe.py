"""Probe accuracy by layer beside its controls, to step through; a figure where nothing can be clicked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import traitlets

from course_utils import plots
from course_utils._drawing import as_array
from course_utils.widgets._view import View, script

__all__ = ["ProbeExplorer"]


class ProbeExplorer(View):
    """A view of held-out accuracy: choose a task and a layer, and see the probe beside every control.

    >>> view = ProbeExplorer({"truth": {"probe": [0.5, 0.7], "majority": [0.5, 0.5]}}, layers=[0, 15])
    >>> view.layer = 15                   # or move the slider; arrow keys work
    >>> view.summary
    'truth, layer 15: probe 0.70, majority 0.50. The probe is 0.20 above its best control.'

    `results` maps each task to its series: the first is the probe, the others are controls; each has one
    accuracy in [0, 1] for each layer. State, to read or set: `task` and `layer`. Raises ValueError where the
    series do not fit; TraitError where the state is set to what does not exist.
    """

    _esm = script(__file__)
    _css = Path(__file__).with_suffix(".css")

    results = traitlets.Dict(read_only=True).tag(sync=True)
    layers = traitlets.List(traitlets.Int(), read_only=True).tag(sync=True)
    task = traitlets.Unicode().tag(sync=True)
    layer = traitlets.Int().tag(sync=True)

    def __init__(self, results: Mapping[str, Mapping[str, Any]], layers: Sequence[int]) -> None:
        if not isinstance(results, Mapping) or not results:
            raise ValueError(
                "results should map each task to its series, such as {'truth': {'probe': [...]}}."
            )
        if not layers or list(layers) != sorted(set(layers)):
            raise ValueError(
                f"layers should be different whole numbers in rising order; got {list(layers)!r}."
            )
        self.set_trait(
            "results", {task: _as_series(task, rows, len(layers)) for task, rows in results.items()}
        )
        self.set_trait("layers", [int(layer) for layer in layers])
        super().__init__(task=next(iter(results)), layer=self.layers[len(layers) // 2])

    @traitlets.validate("task", "layer")
    def _exists(self, proposal: Any) -> Any:
        """The proposed value, or an error if there is no such task or layer."""
        name, value = proposal["trait"].name, proposal["value"]
        known = list(self.results) if name == "task" else self.layers
        if value not in known:
            raise traitlets.TraitError(f"{name}={value!r} does not exist: there are {known}.")
        return value

    @property
    def summary(self) -> str:
        """The sentence that the view reads out: every accuracy at the chosen layer, and the probe's lead."""
        place = self.layers.index(self.layer)
        now = {name: values[place] for name, values in self.results[self.task].items()}
        told = ", ".join(f"{name} {value:.2f}" for name, value in now.items())
        probe, *controls = now.values()
        lead = round(probe, 2) - round(max(controls), 2)
        side = "above" if lead >= 0 else "below"
        return (
            f"{self.task}, layer {self.layer}: {told}. The probe is {abs(lead):.2f} {side} its best control."
        )

    def picture(self) -> plots.Picture:
        """The chosen task over all layers as a figure with its summary, for pages without widgets."""
        series = self.results[self.task]
        mark = {f"layer {self.layer}": self.layer}
        title = f"Probing {self.task}: held-out accuracy beside its controls"
        figure, _ = plots.lines(self.layers, series, title, "layer", "held-out accuracy", vlines=mark)
        return figure, self.summary


def _as_series(task: str, rows: Mapping[str, Any], count: int) -> dict[str, list[float]]:
    """The series of a task as lists, or an error: a probe without a control is what this view is against."""
    if not isinstance(rows, Mapping) or len(rows) < 2:
        raise ValueError(f"results[{task!r}] should hold the probe and at least one control, by name.")
    series = {}
    for name, values in rows.items():
        array = as_array(values, f"results[{task!r}][{name!r}]", ("layer",), (count,))
        if array.min() < 0 or array.max() > 1:
            raise ValueError(
                f"results[{task!r}][{name!r}] runs from {array.min():.3g} to {array.max():.3g}; an accuracy is a "
                "share between 0 and 1, not a percentage or a score."
            )
        series[str(name)] = [float(value) for value in array]
    return series
