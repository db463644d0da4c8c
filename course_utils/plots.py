"""The course's figures: arrays in, `(figure, one-sentence summary)` out. No graded quantity is computed here.

>>> from course_utils import plots
>>> plots.use_style()                            # once, at the top of a notebook
>>> pattern, tokens = [[1, 0], [0.2, 0.8]], ["The", " cat"]
>>> plots.show(plots.attention(pattern, tokens, title="The second token looks at itself"))

A title is the claim that the picture supports. Every function takes NumPy arrays, torch tensors or nested
lists, and raises a ValueError that says what it expected and what came. Probabilities are drawn on [0, 1]
with viridis, signed values with RdBu_r symmetric about 0, categories in Okabe-Ito colours with a second mark
(line style and marker, or hatch).
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from jaxtyping import Float
from matplotlib.figure import Figure

from course_utils._drawing import (
    COLOURS,
    DASHES,
    MARKERS,
    STYLE,
    Picture,
    as_array,
    as_interval,
    as_named,
    as_pattern,
    canvas,
    check_names,
    draw_colour_bar,
    draw_heat,
    figure_html,
    label_ends,
    label_marks,
    label_ticks,
    line_colours,
    say_interval,
    say_list,
    say_number,
    say_sentence,
    say_strongest,
    visible,
    write_in_cell,
)

__all__ = [
    "Picture",
    "attention",
    "bars",
    "head_grid",
    "lines",
    "loss_by_position",
    "matrix",
    "show",
    "use_style",
]


def use_style() -> None:
    """Nothing: sets Matplotlib's defaults, so that a student's own `plt.plot` matches the course.

    >>> plots.use_style()
    """
    mpl.rcParams.update(STYLE)


def show(picture: Picture) -> None:
    """Nothing: displays the figure once, as an image with alt text, with its summary as the caption beneath.

    >>> plots.show(plots.bars({"trained": 3.5, "random": 14.0}, "Training lowers the loss", "loss (nats)"))
    """
    if not (isinstance(picture, tuple) and len(picture) == 2 and isinstance(picture[0], Figure)):
        raise TypeError(
            f"show() expects the (figure, summary) that a plots function returns; it got a "
            f"{type(picture).__name__}. Write plots.show(plots.attention(...)), with both sets of brackets."
        )
    display({"text/html": figure_html(picture), "text/plain": picture[1]}, raw=True)
    plt.close(picture[0])  # a figure made with pyplot would be drawn a second time at the end of the cell


def attention(pattern: Float[Any, "query key"], tokens: Sequence[str], title: str) -> Picture:
    """A heat map of one head's attention pattern (axes: query, key), and its strongest weight in words.

    >>> pattern = cache["blocks.5.attn.hook_pattern"][0, 1]
    >>> plots.show(plots.attention(pattern, tokens, title="L5H1 looks one token back"))

    `pattern` holds weights after the softmax, in [0, 1]. Where every weight on a later token is exactly 0
    (a causal model), those cells are left blank: they are masked, not small.
    """
    weights = as_pattern(pattern, ("query", "key"), tokens)
    names, count = [visible(token) for token in tokens], len(tokens)
    future = np.triu(np.ones_like(weights, dtype=bool), k=1)
    cells = np.ma.masked_where(future & (not weights[future].any()), weights)
    side = min(6.2, max(3.0, 0.27 * count + 1.0))
    figure, axes = canvas(title, max(5.2, side + 1.6), side + 0.9)
    image = axes.imshow(cells, vmin=0, vmax=1, cmap="viridis")
    draw_colour_bar(figure, image, axes, "attention weight")
    label_ticks(axes, "y", names, "query token (attends)", limit=46)
    label_ticks(axes, "x", names, "key token (is attended to)", limit=46)
    if future.any() and not weights[future].any() and count > 3:
        axes.text(
            count - 0.7,
            -0.3,
            "blank: the future, masked",
            ha="right",
            va="top",
            fontsize=8.5,
            color="#666666",
        )
    return figure, say_strongest(weights, tokens)


def head_grid(
    scores: Float[Any, "layer head"],
    title: str,
    label: str,
    signed: bool = False,
    mark: Sequence[tuple[int, int]] | None = None,
    limit: float | None = None,
) -> Picture:
    """A heat map of one number per head (axes: layer, head), the `mark`ed heads named in it and in words.

    >>> plots.show(plots.head_grid(scores, title="Few heads do it", label="score (0 to 1)", mark=[(18, 6)]))

    `label` names the number and its unit. Without `mark` the three largest (by size, if `signed`) are named.
    `limit` is the end of the colour bar: without it 1 if the values lie in [0, 1], else the largest.
    """
    values = as_array(scores, "scores", ("layer", "head"))
    n_layers, n_heads = values.shape
    if mark is None:
        order = np.argsort(np.abs(values) if signed else values, axis=None)[::-1][:3]
        mark = [divmod(int(index), n_heads) for index in order]
    for layer, head in mark:
        if not (0 <= layer < n_layers and 0 <= head < n_heads):
            raise ValueError(
                f"mark names L{layer}H{head}, but scores has {n_layers} layers and {n_heads} heads."
            )
    figure, axes = canvas(title, max(4.8, 0.52 * n_heads + 1.6), max(2.6, 0.2 * n_layers + 1.2))
    image = draw_heat(axes, values, signed, limit)
    draw_colour_bar(figure, image, axes, label)
    label_ticks(axes, "y", [str(layer) for layer in range(n_layers)], "layer", limit=16, spare=True)
    label_ticks(axes, "x", [str(head) for head in range(n_heads)], "head", limit=40, turn=False)
    for layer, head in mark:
        write_in_cell(axes, image, values, layer, head, f"L{layer}H{head}", weight="bold", box=True)
    named = [f"L{layer}H{head} {say_number(values[layer, head])}" for layer, head in mark]
    rest = f"the median of all {values.size} heads is {say_number(float(np.median(values)))}"
    return figure, say_sentence(f"{label}: {say_list(named)}; {rest}" if named else f"{rest} ({label})")


def lines(
    x: Float[Any, " x"],
    series: Mapping[str, Float[Any, " x"]],
    title: str,
    xlabel: str,
    ylabel: str,
    bands: Mapping[str, tuple[Any, Any]] | None = None,
    vlines: Mapping[str, float] | None = None,
    layers: bool = False,
    ylim: tuple[float, float] | None = None,
) -> Picture:
    """One labelled line per name, with optional intervals and marks, and where each line starts and ends.

    >>> plots.show(plots.lines([0, 1, 2], {"trained": [3, 2, 1]}, "Loss falls", "step", "loss (nats)"))

    `bands` maps a name to its (low, high) ends; `vlines` maps a label to its x. With `layers=True` the names
    are an ordered family, such as layers, coloured along viridis; otherwise they are categories. `ylim` gives
    figures that are compared the same vertical axis.
    """
    ticks = as_array(x, "x", ("x",))
    values = {
        name: as_array(y, f"series[{name!r}]", ("x",), ticks.shape) for name, y in as_named(series).items()
    }
    check_names(bands, values, "bands")
    figure, axes = canvas(title, 7.2, 3.9)
    colours = line_colours(len(values), layers)
    for index, (name, y) in enumerate(values.items()):
        dash, marker = DASHES[(index + index // 5) % 5], MARKERS[index % 5]
        every = max(1, len(ticks) // 12)
        look: dict[str, Any] = (
            {} if layers else {"linestyle": dash, "marker": marker, "markevery": (index % every, every)}
        )
        axes.plot(ticks, y, color=colours[index], **look)
        if name in (bands or {}):
            low, high = (
                as_array(end, f"bands[{name!r}]", ("x",), ticks.shape) for end in (bands or {})[name]
            )
            axes.fill_between(ticks, low, high, color=colours[index], alpha=0.18, linewidth=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if ylim:
        axes.set_ylim(*ylim)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    label_marks(axes, vlines or {})
    label_ends(axes, {name: float(y[-1]) for name, y in values.items()}, colours)
    told = [f"{name} from {say_number(y[0])} to {say_number(y[-1])}" for name, y in values.items()]
    told = told if len(told) <= 6 else [told[0], told[-1]]
    return figure, say_sentence(f"{ylabel}: {say_list(told)} ({xlabel}, {ticks[0]:g} to {ticks[-1]:g})")


def loss_by_position(
    losses: Mapping[str, Float[Any, " pos"]], repeat_start: int, title: str, first: int = 1
) -> Picture:
    """The loss at each position, the start of the repeat marked, and the loss that ends each part in words.

    >>> plots.show(plots.loss_by_position({"SmolLM2": loss}, repeat_start=51, title="Repeats are easy"))

    Entry i of a loss is that of the token at position `first + i` (nats); position 0 is predicted by nothing,
    so a loss of `logits[:-1]` starts at 1. `repeat_start` is the position of the first repeated token.
    """
    arrays = {name: as_array(loss, f"losses[{name!r}]", ("pos",)) for name, loss in as_named(losses).items()}
    count = len(next(iter(arrays.values())))
    if not first < repeat_start < first + count:
        raise ValueError(
            f"repeat_start={repeat_start} is outside the positions {first} to {first + count - 1} of the "
            "losses. It is the position of the first repeated token: 1 + n after a start token and n others."
        )
    positions, begin = np.arange(first, first + count), {"repeat starts": repeat_start - 0.5}
    figure, _ = lines(positions, arrays, title, "position (tokens)", "loss (nats)", vlines=begin)
    ends = {
        name: (say_number(loss[repeat_start - first - 1]), say_number(loss[-1]))
        for name, loss in arrays.items()
    }
    told = [f"{name} has a loss of {before} nats just before the repeat and {after} at its end"
            for name, (before, after) in ends.items()]  # fmt: skip
    return figure, say_sentence("; ".join(told))


def bars(
    values: Mapping[str, float],
    title: str,
    ylabel: str,
    errors: Mapping[str, tuple[float, float]] | None = None,
    points: Mapping[str, Float[Any, " point"]] | None = None,
    baseline: float | None = None,
    baseline_label: str = "baseline",
) -> Picture:
    """One bar per name with its interval or its individual points, and every height in words.

    >>> plots.show(plots.bars({"top 3": 8.1, "random 3": 2.7}, "The top heads matter", "loss (nats)"))

    `errors` maps a name to the two ends of its interval, on the scale of the bar (not distances from it);
    `points` maps a name to the single measurements behind its bar.
    """
    heights = {
        name: float(as_array(value, f"values[{name!r}]", ())) for name, value in as_named(values).items()
    }
    check_names(errors, heights, "errors")
    check_names(points, heights, "points")
    figure, axes = canvas(title, min(8.0, max(4.8, 0.95 * len(heights) + 1.6)), 3.7)
    for index, (name, height) in enumerate(heights.items()):
        axes.bar(index, height, width=0.62, color=COLOURS[0])  # one colour: the axis names the bars
        if name in (errors or {}):
            low, high = as_interval(name, height, (errors or {})[name])
            axes.errorbar(
                index, height, [[height - low], [high - height]], color="#222222", capsize=4, lw=1.2
            )
        if name in (points or {}):
            dots = np.atleast_1d(as_array((points or {})[name], f"points[{name!r}]", ("point",)))
            spread = index + np.linspace(-0.18, 0.18, len(dots)) * (len(dots) > 1)
            axes.scatter(spread, dots, s=16, color="white", edgecolor="#222222", linewidth=0.8, zorder=3)
        elif name not in (errors or {}) and abs(height) <= 0.01 * max(map(abs, heights.values())):
            # A bar too low to be seen is not a missing one.
            axes.annotate(
                say_number(height), (index, max(height, 0)), (0, 3), textcoords="offset points",
                ha="center", fontsize=8.5,
            )  # fmt: skip
    if min(heights.values()) < 0:
        axes.axhline(0, color="#555555", linewidth=0.8)
    if baseline is not None:
        axes.axhline(baseline, color="#222222", linestyle="--", linewidth=1)
        note: dict[str, Any] = {
            "xy": (1, baseline),
            "xycoords": axes.get_yaxis_transform(),
            "textcoords": "offset points",
        }
        axes.annotate(
            f"{baseline_label}\n{say_number(baseline)}", xytext=(5, 0), va="center", fontsize=8.5, **note
        )
    axes.set_xticks(range(len(heights)), [textwrap.fill(name, 13) for name in heights])
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(ylabel)
    told = [name + " " + say_number(height) + say_interval(name, errors) for name, height in heights.items()]
    against = "" if baseline is None else f"; {baseline_label}: {say_number(baseline)}"
    return figure, say_sentence(f"{ylabel}: {say_list(told)}{against}")


def matrix(
    values: Float[Any, "row col"],
    row_labels: Sequence[Any],
    col_labels: Sequence[Any],
    title: str,
    label: str,
    signed: bool = False,
    limit: float | None = None,
    ylabel: str = "row",
    xlabel: str = "column",
) -> Picture:
    """A heat map with the numbers written in (up to 150 cells), and the largest entry in words.

    >>> plots.show(plots.matrix(scores, ["L0H0", "L0H1"], ["L1H0"], "L0H1 feeds L1H0", "composition score"))

    Row and column labels may be anything that can be written: names, heads, positions such as `range(16)`.
    `label` names the number and its unit, `ylabel` and `xlabel` what rows and columns are ("sender head");
    `limit` is the end of the colour bar, as in `head_grid`.
    """
    cells = as_array(values, "values", ("row", "col"))
    if cells.shape != (len(row_labels), len(col_labels)):
        raise ValueError(
            f"values has shape {cells.shape} (row, col), but there are {len(row_labels)} row labels and "
            f"{len(col_labels)} column labels. One label for each; is the matrix transposed?"
        )
    rows, cols = cells.shape
    # Counts are written without decimals.
    whole = bool((cells == cells.round()).all() and np.abs(cells).max() > 1)
    figure, axes = canvas(title, min(8.5, max(4.8, 0.5 * cols + 2.4)), min(8.0, max(2.6, 0.34 * rows + 1.5)))
    image = draw_heat(axes, cells, signed, limit)
    draw_colour_bar(figure, image, axes, label)
    label_ticks(axes, "y", [visible(str(name)) for name in row_labels], ylabel, limit=40)
    label_ticks(axes, "x", [visible(str(name)) for name in col_labels], xlabel, limit=40, turn=None)
    if cells.size <= 150:
        for row, col in np.ndindex(cells.shape):
            write_in_cell(axes, image, cells, row, col, say_number(float(cells[row, col]), whole))
    row, col = divmod(int(np.argmax(np.abs(cells))), cols)
    top = f"{say_number(cells[row, col], whole)} at {ylabel} {row_labels[row]}, {xlabel} {col_labels[col]}"
    size = " in size" if signed else ""
    return figure, say_sentence(
        f"{label}: largest{size} is {top}; the median entry is {say_number(float(np.median(cells)))}"
    )
