"""Pictures of features as vectors in a plane: weights in, `(figure, one-sentence summary)` out, as in `plots`.

>>> from course_utils import geometry, plots
>>> square = [[0, 1], [1, 0], [0, -1], [-1, 0]]
>>> plots.show(geometry.feature_vectors([square], ["four features"], title="Two antipodal pairs"))
"""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from course_utils._drawing import Picture, as_array, canvas, say_list, say_sentence

__all__ = ["feature_vectors", "turned"]

SHORT = 0.5  # shorter vectors are drawn hollow and without a name


def feature_vectors(
    W: Float[Any, "panel feature 2"], panels: Sequence[str], title: str, reach: float | None = None
) -> Picture:
    """One panel for each set of features in two dimensions, and how many of them are longer than 0.5 in words.

    >>> plots.show(geometry.feature_vectors(W, ["dense", "sparse"], title="Sparse features share dimensions"))

    Every panel is turned so that feature 0 points up: a rotation of the hidden space changes nothing that the
    model does. Features run from dark (number 0) to light; the dashed circle has radius 1; `reach` is where
    the axes end.
    """
    vectors = as_array(W, "W", ("panel", "feature", "2"))
    if vectors.shape[2] != 2 or vectors.shape[0] != len(panels):
        raise ValueError(
            f"W should be [panel feature 2] with one panel for each of the {len(panels)} names; it has shape "
            f"{vectors.shape}. Only features in two dimensions can be drawn as they are."
        )
    vectors = np.stack([turned(panel) for panel in vectors])
    lengths = np.linalg.norm(vectors, axis=-1)
    reach = reach or max(1.25, 1.22 * float(lengths.max()))
    figure, first = canvas(title, max(3.4, 2.75 * len(panels)), 3.55)
    first.remove()
    figure.get_layout_engine().set(h_pad=0.09)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel, name in zip(grid, vectors, panels, strict=True):
        _draw_panel(axes, panel, reach)
        axes.set_title(name, fontsize=9.5, color="#222222")
    grid[0].set_ylabel("hidden dimension 2")
    for axes in grid:
        axes.set_xlabel("hidden dimension 1")
    counts = [
        f"{int((row > SHORT).sum())} of {len(row)} ({name})"
        for row, name in zip(lengths, panels, strict=True)
    ]
    return figure, say_sentence(f"the features with a vector longer than {SHORT} are {say_list(counts)}")


def turned(W: Float[Any, "feature 2"]) -> np.ndarray:
    """The same vectors, turned so that feature 0 points up, and mirrored if feature 1 would point left.

    >>> turned([[2, 0], [0, 1]])
    array([[ 0.,  2.],
           [ 1.,  0.]])
    """
    vectors = as_array(W, "W", ("feature", "2"))
    x, y = vectors[0] / (np.linalg.norm(vectors[0]) or 1.0)
    out = vectors @ np.array([[y, x], [-x, y]])
    if len(out) > 1 and out[1, 0] < 0:
        out[:, 0] *= -1
    return out + 0.0  # no negative zeros


def _draw_panel(axes: Axes, vectors: np.ndarray, reach: float) -> None:
    """Nothing: arrows with their numbers at the tips, the outline of the long ones, and the unit circle."""
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.axhline(0, color="#e4e4e4", linewidth=0.8, zorder=0)
    axes.axvline(0, color="#e4e4e4", linewidth=0.8, zorder=0)
    axes.add_patch(mpl.patches.Circle((0, 0), 1, fill=False, ec="#bbbbbb", ls=(0, (4, 4)), lw=0.9, zorder=1))
    lengths = np.linalg.norm(vectors, axis=-1)
    long = vectors[lengths > SHORT]
    if len(long) > 2:
        around = long[np.argsort(np.arctan2(long[:, 1], long[:, 0]))]
        axes.fill(*around.T, facecolor="#0072B2", alpha=0.07, zorder=1)
        axes.fill(*around.T, fill=False, ec="#0072B2", alpha=0.35, lw=1.0, zorder=1)
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.86, max(2, len(vectors))))
    for index, (vector, length) in enumerate(zip(vectors, lengths, strict=True)):
        if length <= SHORT:
            axes.plot(*vector, "o", mfc="white", mec=colours[index], mew=1.2, ms=4.5, zorder=4)
            continue
        axes.plot(
            [0, vector[0]], [0, vector[1]], color=colours[index], lw=2.2, solid_capstyle="round", zorder=3
        )
        axes.plot(*vector, "o", color=colours[index], ms=6.5, zorder=4)
        place = vector * (1 + 0.13 * reach / length)
        axes.text(
            place[0], place[1], str(index), ha="center", va="center", fontsize=9, color="#222222", zorder=5
        )
