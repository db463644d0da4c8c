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

import base64
import html
import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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

Picture = tuple[Figure, str]  # the figure, and one sentence with its key numbers

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]  # Okabe and Ito: blue, vermillion, green, purple
DASHES, MARKERS, HATCHES = ["-", "--", "-.", ":"], ["o", "s", "^", "D"], ["", "//", "\\\\", "xx"]
STYLE: Any = {
    "figure.dpi": 100, "savefig.dpi": 200, "figure.constrained_layout.use": True, "figure.facecolor": "white",
    "font.size": 10, "axes.titlesize": 11, "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#555555",
    "axes.labelcolor": "#222222", "xtick.color": "#444444", "ytick.color": "#444444", "axes.axisbelow": True,
    "hatch.linewidth": 0.6, "lines.linewidth": 1.8, "lines.markersize": 4,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
}  # fmt: skip


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
    display({"text/html": _figure_html(picture), "text/plain": picture[1]}, raw=True)
    plt.close(picture[0])  # a figure made with pyplot would be drawn a second time at the end of the cell


def attention(pattern: Float[Any, "query key"], tokens: Sequence[str], title: str) -> Picture:
    """A heat map of one head's attention pattern (axes: query, key), and its strongest weight in words.

    >>> pattern = cache["blocks.5.attn.hook_pattern"][0, 1]
    >>> plots.show(plots.attention(pattern, tokens, title="L5H1 looks one token back"))

    `pattern` holds weights after the softmax, in [0, 1]. Where every weight on a later token is exactly 0
    (a causal model), those cells are left blank: they are masked, not small.
    """
    weights = _pattern(pattern, ("query", "key"), tokens)
    names, count = [_visible(token) for token in tokens], len(tokens)
    future = np.triu(np.ones_like(weights, dtype=bool), k=1)
    cells = np.ma.masked_where(future & (not weights[future].any()), weights)
    side = min(6.2, max(3.0, 0.27 * count + 1.0))
    figure, axes = _canvas(title, max(5.2, side + 1.6), side + 0.9)
    image = axes.imshow(cells, vmin=0, vmax=1, cmap="viridis")
    _colour_bar(figure, image, axes, "attention weight")
    _ticks(axes, "y", names, "query token (attends)", limit=46)
    _ticks(axes, "x", names, "key token (is attended to)", limit=46)
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
    return figure, _strongest(weights, tokens)


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
    values = _array(scores, "scores", ("layer", "head"))
    n_layers, n_heads = values.shape
    if mark is None:
        order = np.argsort(np.abs(values) if signed else values, axis=None)[::-1][:3]
        mark = [divmod(int(index), n_heads) for index in order]
    for layer, head in mark:
        if not (0 <= layer < n_layers and 0 <= head < n_heads):
            raise ValueError(
                f"mark names L{layer}H{head}, but scores has {n_layers} layers and {n_heads} heads."
            )
    figure, axes = _canvas(title, max(4.8, 0.52 * n_heads + 1.6), max(2.6, 0.2 * n_layers + 1.2))
    image = _heat(axes, values, signed, limit)
    _colour_bar(figure, image, axes, label)
    _ticks(axes, "y", [str(layer) for layer in range(n_layers)], "layer", limit=16, spare=True)
    _ticks(axes, "x", [str(head) for head in range(n_heads)], "head", limit=40, turn=False)
    for layer, head in mark:
        _write(axes, image, values, layer, head, f"L{layer}H{head}", weight="bold", box=True)
    named = [f"L{layer}H{head} {_number(values[layer, head])}" for layer, head in mark]
    rest = f"the median of all {values.size} heads is {_number(float(np.median(values)))}"
    return figure, _sentence(f"{label} is {_listed(named)}; {rest}" if named else f"{rest} ({label})")


def lines(
    x: Float[Any, " x"],
    series: Mapping[str, Float[Any, " x"]],
    title: str,
    xlabel: str,
    ylabel: str,
    bands: Mapping[str, tuple[Any, Any]] | None = None,
    vlines: Mapping[str, float] | None = None,
    layers: bool = False,
) -> Picture:
    """One labelled line per name, with optional intervals and marks, and where each line starts and ends.

    >>> plots.show(plots.lines([0, 1, 2], {"trained": [3, 2, 1]}, "Loss falls", "step", "loss (nats)"))

    `bands` maps a name to its (low, high) ends; `vlines` maps a label to its x. With `layers=True` the names
    are an ordered family, such as layers, coloured along viridis; otherwise they are categories.
    """
    ticks = _array(x, "x", ("x",))
    values = {name: _array(y, f"series[{name!r}]", ("x",), ticks.shape) for name, y in _named(series).items()}
    _known(bands, values, "bands")
    figure, axes = _canvas(title, 7.2, 3.9)
    colours = _line_colours(len(values), layers)
    for index, (name, y) in enumerate(values.items()):
        dash, marker = DASHES[(index + index // 4) % 4], MARKERS[index % 4]
        every = max(1, len(ticks) // 12)
        look: dict[str, Any] = (
            {} if layers else {"linestyle": dash, "marker": marker, "markevery": (index % every, every)}
        )
        axes.plot(ticks, y, color=colours[index], **look)
        if name in (bands or {}):
            low, high = (_array(end, f"bands[{name!r}]", ("x",), ticks.shape) for end in (bands or {})[name])
            axes.fill_between(ticks, low, high, color=colours[index], alpha=0.18, linewidth=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    _label_marks(axes, vlines or {})
    _label_ends(axes, {name: float(y[-1]) for name, y in values.items()}, colours)
    told = [f"{name} goes from {_number(y[0])} to {_number(y[-1])}" for name, y in values.items()]
    told = told if len(told) <= 6 else [told[0], told[-1]]
    return figure, _sentence(
        f"from {ticks[0]:g} to {ticks[-1]:g} on the axis {xlabel}, {_listed(told)} ({ylabel})"
    )


def loss_by_position(
    losses: Mapping[str, Float[Any, " pos"]], repeat_start: int, title: str, first: int = 1
) -> Picture:
    """The loss at each position, the start of the repeat marked, and the loss that ends each part in words.

    >>> plots.show(plots.loss_by_position({"SmolLM2": loss}, repeat_start=51, title="Repeats are easy"))

    Entry i of a loss is that of the token at position `first + i` (nats); position 0 is predicted by nothing,
    so a loss of `logits[:-1]` starts at 1. `repeat_start` is the position of the first repeated token.
    """
    arrays = {name: _array(loss, f"losses[{name!r}]", ("pos",)) for name, loss in _named(losses).items()}
    count = len(next(iter(arrays.values())))
    if not first < repeat_start < first + count:
        raise ValueError(
            f"repeat_start={repeat_start} is outside the positions {first} to {first + count - 1} of the "
            "losses. It is the position of the first repeated token: 1 + n after a start token and n others."
        )
    positions, begin = np.arange(first, first + count), {"repeat starts": repeat_start - 0.5}
    figure, _ = lines(positions, arrays, title, "position (tokens)", "loss (nats)", vlines=begin)
    ends = {
        name: (_number(loss[repeat_start - first - 1]), _number(loss[-1])) for name, loss in arrays.items()
    }
    told = [f"{name} has a loss of {before} nats just before the repeat and {after} at its end"
            for name, (before, after) in ends.items()]  # fmt: skip
    return figure, _sentence("; ".join(told))


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
    heights = {name: float(_array(value, f"values[{name!r}]", ())) for name, value in _named(values).items()}
    _known(errors, heights, "errors")
    _known(points, heights, "points")
    figure, axes = _canvas(title, min(8.0, max(4.8, 0.95 * len(heights) + 1.6)), 3.7)
    for index, (name, height) in enumerate(heights.items()):
        colour, hatch = COLOURS[index % 4], HATCHES[(index + index // 4) % 4]
        axes.bar(index, height, width=0.62, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        if name in (errors or {}):
            low, high = _interval(name, height, (errors or {})[name])
            axes.errorbar(
                index, height, [[height - low], [high - height]], color="#222222", capsize=4, lw=1.2
            )
        if name in (points or {}):
            dots = np.atleast_1d(_array((points or {})[name], f"points[{name!r}]", ("point",)))
            spread = index + np.linspace(-0.18, 0.18, len(dots)) * (len(dots) > 1)
            axes.scatter(spread, dots, s=16, color="white", edgecolor="#222222", linewidth=0.8, zorder=3)
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
            f"{baseline_label}\n{_number(baseline)}", xytext=(5, 0), va="center", fontsize=8.5, **note
        )
    axes.set_xticks(range(len(heights)), [textwrap.fill(name, 13) for name in heights])
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(ylabel)
    told = [name + " " + _number(height) + _told_interval(name, errors) for name, height in heights.items()]
    against = "" if baseline is None else f", against a {baseline_label} of {_number(baseline)}"
    return figure, _sentence(f"{ylabel} is {_listed(told)}{against}")


def matrix(
    values: Float[Any, "row col"],
    row_labels: Sequence[str],
    col_labels: Sequence[str],
    title: str,
    label: str,
    signed: bool = False,
    limit: float | None = None,
    ylabel: str = "row",
    xlabel: str = "column",
) -> Picture:
    """A heat map with the numbers written in (up to 150 cells), and the largest entry in words.

    >>> plots.show(plots.matrix(scores, ["L0H0", "L0H1"], ["L1H0"], "L0H1 feeds L1H0", "composition score"))

    `label` names the number and its unit, `ylabel` and `xlabel` what rows and columns are ("sender head");
    `limit` is the end of the colour bar, as in `head_grid`.
    """
    cells = _array(values, "values", ("row", "col"))
    if cells.shape != (len(row_labels), len(col_labels)):
        raise ValueError(
            f"values has shape {cells.shape} (row, col), but there are {len(row_labels)} row labels and "
            f"{len(col_labels)} column labels. One label for each; is the matrix transposed?"
        )
    rows, cols = cells.shape
    figure, axes = _canvas(title, min(8.5, max(4.8, 0.5 * cols + 2.4)), min(8.0, max(2.6, 0.34 * rows + 1.5)))
    image = _heat(axes, cells, signed, limit)
    _colour_bar(figure, image, axes, label)
    _ticks(axes, "y", [_visible(name) for name in row_labels], ylabel, limit=40)
    _ticks(axes, "x", [_visible(name) for name in col_labels], xlabel, limit=40, turn=None)
    if cells.size <= 150:
        for row, col in np.ndindex(cells.shape):
            _write(axes, image, cells, row, col, _number(float(cells[row, col])))
    row, col = divmod(int(np.argmax(np.abs(cells))), cols)
    top = f"{_number(cells[row, col])}, at {ylabel} {row_labels[row]} and {xlabel} {col_labels[col]}"
    size = "size of any " if signed else ""
    return figure, _sentence(
        f"the largest {size}{label} is {top}; the median entry is {_number(float(np.median(cells)))}"
    )


# What the functions above share: checking what came in, drawing, and saying numbers. Nothing below is public.


def _array(value: Any, name: str, axes: tuple[str, ...], shape: tuple[int, ...] | None = None) -> np.ndarray:
    """`value` as a finite float array with those axes, or an error that names axes and shape."""
    if isinstance(value, (list, tuple)) and value and all(hasattr(part, "shape") for part in value):
        value = np.stack([_array(part, f"{name}[{i}]", axes[1:]) for i, part in enumerate(value)])
    if hasattr(value, "detach"):  # a torch tensor: NumPy knows neither gradients, other devices nor bfloat16
        value = value.detach().float().cpu().numpy()
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} should be numbers with axes [{' '.join(axes)}]; got {type(value).__name__}."
        ) from None
    if array.ndim != len(axes) or (shape is not None and array.shape != shape) or 0 in array.shape:
        want = f"shape {shape}" if shape is not None else f"{len(axes)} non-empty axes"
        hint = (
            " Select one prompt (and one head) first, for example cache[name][0]."
            if array.ndim > len(axes)
            else ""
        )
        raise ValueError(f"{name} should have {want} [{' '.join(axes)}]; it has shape {array.shape}.{hint}")
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise ValueError(
            f"{name} has {count} values that are nan or infinite; a picture would hide them. Find out why."
        )
    return array


def _pattern(value: Any, axes: tuple[str, ...], tokens: Sequence[str], name: str = "pattern") -> np.ndarray:
    """`value` as attention weights over `tokens`: square in its last two axes and in [0, 1]."""
    weights = _array(value, name, axes)
    if isinstance(tokens, str) or not all(isinstance(token, str) for token in tokens):
        raise ValueError(
            "tokens should be a list of strings, one per position, as model.to_str_tokens(prompt) gives."
        )
    if weights.shape[-2:] != (len(tokens), len(tokens)):
        raise ValueError(
            f"{name} has shape {weights.shape} [{' '.join(axes)}], but there are {len(tokens)} tokens, so "
            f"query and key should both be {len(tokens)}. Is the start token in one and not in the other?"
        )
    if weights.min() < -1e-4 or weights.max() > 1 + 1e-4:
        raise ValueError(
            f"{name} should lie in [0, 1]; it runs from {weights.min():.3g} to {weights.max():.3g}. They "
            "look like scores before the softmax: use hook_pattern, not hook_attn_scores."
        )
    return weights.clip(0, 1)


def _named(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """`values` if it is a non-empty mapping from names, else an error."""
    if not isinstance(values, Mapping) or not values:
        raise ValueError(
            f"expected a dict from a name to its values, such as {{'trained': ...}}; got {values!r:.60}."
        )
    return values


def _known(extra: Mapping[str, Any] | None, values: Mapping[str, Any], argument: str) -> None:
    """Nothing, or an error if `extra` has a name that is not drawn: it would silently be left out."""
    unknown = sorted(set(extra or {}) - set(values))
    if unknown:
        raise ValueError(f"{argument} has {unknown}, which is not among the names drawn: {list(values)}.")


def _interval(name: str, height: float, ends: tuple[float, float]) -> tuple[float, float]:
    """The two ends of an interval that holds `height`, else an error: distances are easily taken for ends."""
    low, high = (float(end) for end in ends)
    if not low <= height <= high:
        raise ValueError(
            f"errors[{name!r}] = ({low:g}, {high:g}) does not hold {height:g}. Give both ends, not distances."
        )
    return low, high


def _canvas(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure (inches) that pyplot does not know, so that nothing draws it twice."""
    with mpl.rc_context(STYLE):
        heading = textwrap.fill(title, int(width * 10.2))
        figure = Figure(figsize=(width, height + 0.2 * heading.count("\n")), layout="constrained")
        figure.suptitle(heading, x=0.012, ha="left", fontsize=11, fontweight="bold", color="#222222")
        return figure, figure.add_subplot()


def _heat(axes: Axes, values: np.ndarray, signed: bool, limit: float | None) -> Any:
    """The image of `values`: signed symmetric about 0, fractions on [0, 1], others from 0 to the maximum."""
    if not signed and values.min() < 0:
        raise ValueError(
            f"the smallest value is {values.min():.3g}: pass signed=True to draw values on both sides of 0."
        )
    largest = float(np.abs(values).max()) or 1.0
    if limit is not None and limit < largest:
        raise ValueError(
            f"limit={limit:g} would cut off the colour bar below the largest value, {largest:.3g}."
        )
    top = limit or (1.0 if largest <= 1 and not signed else largest)
    return axes.imshow(
        values, cmap="RdBu_r" if signed else "viridis", vmin=-top * signed, vmax=top, aspect="auto"
    )


def _colour_bar(figure: Figure, image: Any, axes: Axes, label: str) -> None:
    """Nothing: adds a thin labelled colour bar."""
    bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.02, aspect=28)
    bar.set_label(textwrap.fill(label, 34))
    bar.outline.set_visible(False)  # type: ignore[operator]


def _ticks(
    axes: Axes,
    which: str,
    names: list[str],
    label: str,
    limit: int,
    turn: bool | None = True,
    spare: bool = False,
) -> None:
    """Nothing: labels about `limit` ticks of an axis, evenly; `turn=None` turns labels that would collide."""
    step = -(-len(names) // limit) if not spare else max(1, round(len(names) / limit))
    places = range(0, len(names), step)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks(list(places), [names[place] for place in places])
    axis.set_label_text(label)
    if turn is None:
        turn = max(map(len, names)) * len(names) > 56 or max(map(len, names)) > 8
    for text in axis.get_ticklabels():
        text.set_parse_math(False)  # a token may be "$"
        text.set_rotation(90 if turn and which == "x" else 0)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _write(
    axes: Axes,
    image: Any,
    values: np.ndarray,
    row: int,
    col: int,
    text: str,
    weight: str = "normal",
    box: bool = False,
) -> None:
    """Nothing: writes `text` in a cell, black or white, whichever stands out."""
    red, green, blue, _ = image.cmap(image.norm(values[row, col]))
    ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
    axes.text(col, row, text, ha="center", va="center", color=ink, fontsize=8, fontweight=weight)
    if box:  # the outline tells a marked head without colour
        axes.add_patch(mpl.patches.Rectangle((col - 0.47, row - 0.45), 0.94, 0.9, fill=False, ec=ink, lw=1.1))


def _line_colours(count: int, layers: bool) -> list[Any]:
    """`count` colours: viridis without its pale end for an ordered family, else Okabe and Ito's in turn."""
    if layers:
        return [mpl.colormaps["viridis"](place) for place in np.linspace(0, 0.88, count)]
    return [COLOURS[index % 4] for index in range(count)]


def _label_ends(axes: Axes, ends: Mapping[str, float], colours: list[Any]) -> None:
    """Nothing: writes each name (nine at most) at the end of its line, pushed apart if they would overlap."""
    axes.margins(x=0.01)
    low, high = axes.get_ylim()
    step = -(-len(ends) // 9)
    wanted = sorted(
        ((y - low) / (high - low), i, name) for i, (name, y) in enumerate(ends.items()) if i % step == 0
    )
    gap, place, places = 0.062, -1.0, []
    for height, _, _ in wanted:
        place = max(height, place + gap)
        places.append(place)
    shift = max(0.0, places[-1] - 1.0) if places else 0.0
    for (height, index, name), place in zip(wanted, places, strict=True):
        arrow = {"arrowstyle": "-", "color": colours[index], "linewidth": 0.7, "shrinkA": 1, "shrinkB": 2}
        axes.annotate(
            name, (1.0, height), (1.035, place - shift), "axes fraction", "axes fraction",
            color="#222222", va="center", fontsize=9, arrowprops=arrow, annotation_clip=False,
            parse_math=False,
        )  # fmt: skip


def _label_marks(axes: Axes, marks: Mapping[str, float]) -> None:
    """Nothing: draws a dotted vertical line at each mark, its name beside it at the top."""
    for index, (name, x) in enumerate(marks.items()):
        axes.axvline(x, color="#555555", linestyle=(0, (2, 2)), linewidth=1.1, zorder=1)
        place, frame = (x, 1.0 - 0.07 * index), axes.get_xaxis_transform()
        axes.annotate(
            name, place, (4, -2), frame, "offset points", fontsize=8.5, va="top", backgroundcolor="#ffffffcc"
        )


def _visible(token: str, width: int = 16) -> str:
    """A token as it can be read on an axis: spaces as dots, line breaks as arrows, `width` characters."""
    shown = token.replace(" ", "·").replace("\n", "↵").replace("\t", "⇥").replace("\r", "␍")
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def _number(value: float) -> str:
    """A number with the digits that a caption needs: two decimals, or none from 100 up."""
    shown = f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return "0.00" if shown == "-0.00" else shown.replace("-", "−")


def _sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return text[0].upper() + text[1:] + "."


def _listed(parts: Sequence[str]) -> str:
    """The parts as an English list."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _told_interval(name: str, errors: Mapping[str, tuple[float, float]] | None) -> str:
    """ " [low, high]" for a bar that has an interval, else nothing."""
    return " [{}, {}]".format(*map(_number, errors[name])) if name in (errors or {}) and errors else ""


def _strongest(weights: np.ndarray, tokens: Sequence[str]) -> str:
    """The largest weight on a key other than the first token: nearly every head has large ones on that."""
    start = 1 if len(tokens) > 1 else 0
    query, key = divmod(int(np.argmax(weights[:, start:])), len(tokens) - start)
    key += start
    where = "The largest weight on a key after the first is" if start else "The only weight is"
    ends = f"from query {tokens[query]!r} ({query}) to key {tokens[key]!r} ({key})"
    return f"{where} {weights[query, key]:.2f}, {ends}."


def _figure_html(picture: Picture) -> str:
    """An HTML `<figure>`: a PNG at twice the screen's resolution, alt text, the summary as caption."""
    figure, summary = picture
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200)
    data, width = base64.b64encode(buffer.getvalue()).decode(), int(figure.get_figwidth() * 100)
    return (
        '<figure style="margin:0.5em 0"><img style="max-width:100%;height:auto;border-radius:4px" '
        f'width="{width}" alt="{html.escape(_alt(figure))}" src="data:image/png;base64,{data}">'
        f'<figcaption style="max-width:{max(width, 560)}px;margin-top:0.4em">{html.escape(summary)}'
        "</figcaption></figure>"
    )


def _alt(figure: Figure) -> str:
    """What the picture is: its title, axes and colour bar. The caption has the numbers."""
    main, *others = figure.axes or [figure.add_subplot()]
    title = figure.get_suptitle() or main.get_title()
    shown = [f"vertical axis {main.get_ylabel()}", f"horizontal axis {main.get_xlabel()}"]
    shown += [f"colour {other.get_ylabel()}" for other in others]
    shown = [part for part in shown if part.split()[-1] not in ("axis", "colour")]  # leave out the unlabelled
    return f"{' '.join(title.split())}. Figure: {', '.join(shown)}."
