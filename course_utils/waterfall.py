"""A trace as a picture: one line for each span, a bar from its start to its end.

>>> from course_utils import plots
>>> from course_utils.incidents import plant
>>> plots.show(waterfall(plant(seed=1).spans, "Every step of one answer"))

Figures as in `plots`: `(figure, one-sentence summary)`. Spans are dictionaries as `telemetry.plain` makes them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils._drawing import COLOURS, STYLE, Picture, say_list, say_number, say_sentence
from course_utils._traces import Line, as_spans, lay_out

__all__ = ["waterfall"]

PATTERN = "////"  # for errors: colour alone says nothing to many readers


def waterfall(
    spans: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Mapping[str, Any]]],
    title: str,
    notes: Mapping[str, str] | None = None,
) -> Picture:
    """Spans over time, errors hatched; of one trace, or of several by name, one above the other.

    `notes` maps span ids to a few words that are written beside the bar. Raises ValueError where spans are not what
    `telemetry.plain` makes.
    """
    traces = spans if isinstance(spans, Mapping) else {"": spans}
    laid_out = {name: lay_out(as_spans(trace)) for name, trace in traces.items()}
    heights = [len(lines) for lines in laid_out.values()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 0.31 * sum(heights) + 0.55 * len(heights) + 0.75), layout="constrained")
        figure.suptitle(title, x=0.012, ha="left", fontsize=11, fontweight="bold", color="#222222")
        panels = figure.subplots(len(heights), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
        for axes, (name, lines) in zip(panels, laid_out.items(), strict=True):
            _draw(axes, lines, notes or {})
            axes.set_title(name, loc="left", fontsize=10)
        panels[-1].set_xlabel("time since the start of the run (ms)")
    return figure, say_sentence("; ".join(_say(name, lines) for name, lines in laid_out.items()))


def _draw(axes: Axes, lines: list[Line], notes: Mapping[str, str]) -> None:
    """Nothing: the lines of one trace are drawn, the first at the top."""
    whole = max(line.begin_ms + line.length_ms for line in lines) or 1.0
    for row, line in enumerate(lines):
        failed = line.span["status"] == "ERROR"
        axes.barh(
            row, max(line.length_ms, whole / 250), left=line.begin_ms, height=0.62, color=COLOURS[1 if failed else 0],
            hatch=PATTERN if failed else None, edgecolor="white", linewidth=0,
        )  # fmt: skip
        words = [text for text in ("error" if failed else "", notes.get(line.span["span_id"], "")) if text]
        if words:
            middle = line.begin_ms + line.length_ms / 2
            after = middle < whole / 2
            place = line.begin_ms + line.length_ms + whole / 80 if after else line.begin_ms - whole / 80
            axes.text(
                place, row, ": ".join(words), va="center", ha="left" if after else "right", fontsize=8.5,
                color="#7a2f00" if failed else "#222222",
            )  # fmt: skip
    names = [
        " " * (3 * line.depth) + line.span["name"] + (" (orphan)" if line.orphan else "") for line in lines
    ]
    axes.set_yticks(range(len(lines)), names, ha="left")
    axes.tick_params(axis="y", length=0, pad=8 + 5.2 * max(map(len, names)))
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)


def _say(name: str, lines: list[Line]) -> str:
    """What a reader sees in one trace: how many spans, how long, and which failed."""
    whole = max(line.begin_ms + line.length_ms for line in lines)
    failed = [line.span["name"] for line in lines if line.span["status"] == "ERROR"]
    told = f"{len(lines)} spans in {say_number(whole)} ms, {say_list(failed) if failed else 'none'} with an error"
    return f"{name}: {told}" if name else told
