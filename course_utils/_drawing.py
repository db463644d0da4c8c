"""What the course's figures share: checking what came in, drawing, and saying numbers. Lessons use `plots`.

>>> say_number(1234.5), say_list(["a", "b"])
('1,234', 'a and b')
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
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "DASHES",
    "MARKERS",
    "STYLE",
    "Picture",
    "as_array",
    "as_interval",
    "as_named",
    "as_pattern",
    "canvas",
    "check_names",
    "draw_colour_bar",
    "draw_heat",
    "figure_html",
    "label_ends",
    "label_marks",
    "label_ticks",
    "line_colours",
    "say_interval",
    "say_list",
    "say_number",
    "say_sentence",
    "say_strongest",
    "visible",
    "write_in_cell",
]

Picture = tuple[Figure, str]  # the figure, and one sentence with its key numbers

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]  # Okabe and Ito: blue, vermillion, green, purple
FIFTH = "#555555"  # a grey for the one line more than four
DASHES: list[Any] = ["-", "--", "-.", ":", (0, (8, 3))]
MARKERS = ["o", "s", "^", "D", "X"]
ROUNDING = 1e-6  # of the largest value, or of 1: what float32 leaves where 0 is meant
STYLE: Any = {
    "figure.dpi": 100, "savefig.dpi": 200, "figure.constrained_layout.use": True, "figure.facecolor": "white",
    "font.size": 10, "axes.titlesize": 11, "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#555555",
    "axes.labelcolor": "#222222", "xtick.color": "#444444", "ytick.color": "#444444", "axes.axisbelow": True,
    "hatch.linewidth": 0.6, "lines.linewidth": 1.8, "lines.markersize": 4,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
}  # fmt: skip


def as_array(
    value: Any, name: str, axes: tuple[str, ...], shape: tuple[int, ...] | None = None
) -> np.ndarray:
    """`value` as a finite float array with those axes, or an error that names axes and shape."""
    if isinstance(value, (list, tuple)) and value and all(hasattr(part, "shape") for part in value):
        value = np.stack([as_array(part, f"{name}[{i}]", axes[1:]) for i, part in enumerate(value)])
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


def as_pattern(value: Any, axes: tuple[str, ...], tokens: Sequence[str], name: str = "pattern") -> np.ndarray:
    """`value` as attention weights over `tokens`: square in its last two axes and in [0, 1]."""
    weights = as_array(value, name, axes)
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


def as_named(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """`values` if it is a non-empty mapping from names, else an error."""
    if not isinstance(values, Mapping) or not values:
        raise ValueError(
            f"expected a dict from a name to its values, such as {{'trained': ...}}; got {values!r:.60}."
        )
    return values


def check_names(extra: Mapping[str, Any] | None, values: Mapping[str, Any], argument: str) -> None:
    """Nothing, or an error if `extra` has a name that is not drawn: it would silently be left out."""
    unknown = sorted(set(extra or {}) - set(values))
    if unknown:
        raise ValueError(f"{argument} has {unknown}, which is not among the names drawn: {list(values)}.")


def as_interval(name: str, height: float, ends: tuple[float, float]) -> tuple[float, float]:
    """The two ends of an interval that holds `height`, else an error: distances are easily taken for ends."""
    low, high = (float(end) for end in ends)
    if not low <= height <= high:
        raise ValueError(
            f"errors[{name!r}] = ({low:g}, {high:g}) does not hold {height:g}. Give both ends, not distances."
        )
    return low, high


def canvas(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure (inches) that pyplot does not know, so that nothing draws it twice."""
    with mpl.rc_context(STYLE):
        heading = textwrap.fill(title, int(width * 10.2))
        figure = Figure(figsize=(width, height + 0.2 * heading.count("\n")), layout="constrained")
        figure.suptitle(heading, x=0.012, ha="left", fontsize=11, fontweight="bold", color="#222222")
        return figure, figure.add_subplot()


def draw_heat(axes: Axes, values: np.ndarray, signed: bool, limit: float | None) -> Any:
    """The image of `values`: signed symmetric about 0, fractions on [0, 1], others from 0 to the maximum."""
    if not signed and values.min() < -ROUNDING * max(1.0, np.abs(values).max()):
        raise ValueError(
            f"the smallest value is {values.min():.3g}, below 0. If these should not be negative, look at the code "
            "that made them; to draw values on both sides of 0 pass signed=True."
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


def draw_colour_bar(figure: Figure, image: Any, axes: Axes, label: str) -> None:
    """Nothing: adds a thin labelled colour bar."""
    bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.02, aspect=28)
    bar.set_label(textwrap.fill(label, 34))
    bar.outline.set_visible(False)  # type: ignore[operator]


def label_ticks(
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


def write_in_cell(
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


def line_colours(count: int, layers: bool) -> list[Any]:
    """`count` colours: viridis without its pale end for an ordered family, else Okabe and Ito's and a grey in turn."""
    if layers:
        return [mpl.colormaps["viridis"](place) for place in np.linspace(0, 0.88, count)]
    return [[*COLOURS, FIFTH][index % 5] for index in range(count)]


def label_ends(axes: Axes, ends: Mapping[str, float], colours: list[Any]) -> None:
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


def label_marks(axes: Axes, marks: Mapping[str, float]) -> None:
    """Nothing: draws a dotted vertical line at each mark, its name beside it at the top."""
    for index, (name, x) in enumerate(marks.items()):
        axes.axvline(x, color="#555555", linestyle=(0, (2, 2)), linewidth=1.1, zorder=1)
        place, frame = (x, 1.0 - 0.07 * index), axes.get_xaxis_transform()
        axes.annotate(
            name, place, (4, -2), frame, "offset points", fontsize=8.5, va="top", backgroundcolor="#ffffffcc"
        )


def visible(token: str, width: int = 16) -> str:
    """A token as it can be read on an axis: spaces at its ends as dots, line breaks as arrows, `width` characters."""
    before = len(token) - len(token.lstrip(" "))
    after = len(token[before:]) - len(token[before:].rstrip(" "))
    shown = "·" * before + token.strip(" ") + "·" * after
    shown = shown.replace("\n", "↵").replace("\t", "⇥").replace("\r", "␍")
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def say_number(value: float, whole: bool = False) -> str:
    """A number with the digits that a caption needs: two decimals, or none from 100 up and for a `whole` number."""
    shown = f"{value:,.0f}" if whole or abs(value) >= 100 else f"{value:.2f}"
    return "0.00" if shown == "-0.00" else shown.replace("-", "−")


def say_sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return text[0].upper() + text[1:] + "."


def say_list(parts: Sequence[str]) -> str:
    """The parts as an English list."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def say_interval(name: str, errors: Mapping[str, tuple[float, float]] | None) -> str:
    """ " [low, high]" for a bar that has an interval, else nothing."""
    return " [{}, {}]".format(*map(say_number, errors[name])) if name in (errors or {}) and errors else ""


def say_strongest(weights: np.ndarray, tokens: Sequence[str]) -> str:
    """The largest weight on a key other than the first token: nearly every head has large ones on that."""
    start = 1 if len(tokens) > 1 else 0
    query, key = divmod(int(np.argmax(weights[:, start:])), len(tokens) - start)
    key += start
    where = "The largest weight on a key after the first is" if start else "The only weight is"
    ends = f"from query {tokens[query]!r} ({query}) to key {tokens[key]!r} ({key})"
    return f"{where} {weights[query, key]:.2f}, {ends}."


def figure_html(picture: Picture) -> str:
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
