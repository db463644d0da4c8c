"""Features in two dimensions over a grid of densities and importances; a picture where nothing can be moved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from course_utils import geometry, plots
from course_utils._drawing import as_array, figure_html
from course_utils.widgets._view import View, script

__all__ = ["SuperpositionExplorer"]

MAX_FEATURES = 12  # more arrows than that cannot be told apart
SHORT = geometry.SHORT


class SuperpositionExplorer(View):
    """A view of trained feature vectors: move density and importance, and the geometry is drawn anew.

    >>> view = SuperpositionExplorer(W, densities=[1, 0.2, 0.05], importances=[1.0, 0.9])
    >>> view                                   # as the last line of a cell
    >>> view.density, view.importance = 2, 0   # moves the sliders: places in the lists, not values

    `W` is [importance density feature 2]: solutions that were trained beforehand. Each is turned so that feature 0
    points up, which changes nothing that a model does. `importances` are ratios r: feature i counts r**i.

    State (read it, or set it): `density`, `importance`. `summary` says what is drawn.

    Raises ValueError where the shapes do not fit or there are more than 12 features; TraitError where the state
    is set to what does not exist.
    """

    _esm = script(__file__)
    _css = Path(__file__).with_suffix(".css")

    _vectors = traitlets.Bytes().tag(sync=True)
    n_features = traitlets.Int(read_only=True).tag(sync=True)
    densities = traitlets.List(traitlets.Float(), read_only=True).tag(sync=True)
    importances = traitlets.List(traitlets.Float(), read_only=True).tag(sync=True)
    density = traitlets.Int(0).tag(sync=True)
    importance = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        W: Float[Any, "importance density feature 2"],
        densities: Sequence[float],
        importances: Sequence[float],
        density: int = 0,
        importance: int = 0,
    ) -> None:
        vectors = as_array(W, "W", ("importance", "density", "feature", "2"))
        want = (len(importances), len(densities), vectors.shape[2], 2)
        if vectors.shape != want or vectors.shape[2] > MAX_FEATURES:
            raise ValueError(
                f"W should be [importance density feature 2] with {len(importances)} importances, "
                f"{len(densities)} densities and at most {MAX_FEATURES} features; it has shape {vectors.shape}."
            )
        self._grid = np.stack([[geometry.turned(panel) for panel in row] for row in vectors])
        self.set_trait("n_features", vectors.shape[2])
        self.set_trait("densities", [float(value) for value in densities])
        self.set_trait("importances", [float(value) for value in importances])
        sent = self._grid.astype("<f4").tobytes()
        super().__init__(_vectors=sent, density=density, importance=importance)

    @traitlets.validate("density", "importance")
    def _in_range(self, proposal: Any) -> int:
        """The proposed place, or an error if the list is shorter."""
        name, value = proposal["trait"].name, proposal["value"]
        count = len(self.densities if name == "density" else self.importances)
        if not 0 <= value < count:
            raise traitlets.TraitError(
                f"{name}={value} does not exist: there are {count}, numbered 0 to {count - 1}."
            )
        return value

    @property
    def chosen(self) -> np.ndarray:
        """The vectors that are drawn, [feature 2]."""
        return self._grid[self.importance, self.density]

    @property
    def summary(self) -> str:
        """The sentence that the view reads out: which features have a vector longer than 0.5."""
        lengths = np.linalg.norm(self.chosen, axis=-1)
        long = [str(feature) for feature in np.flatnonzero(lengths > SHORT)]
        where = f"Density {self.densities[self.density]:g}, importance {self.importances[self.importance]:g}ⁱ"
        names = f": {', '.join(long)}" if long else ""
        return f"{where}: {len(long)} of {self.n_features} features are represented{names}."

    def picture(self) -> plots.Picture:
        """All densities at the chosen importance, up to four, for `plots.show` and pages without widgets."""
        places = np.unique(
            np.linspace(0, len(self.densities) - 1, min(4, len(self.densities))).round().astype(int)
        )
        shown = self._grid[self.importance, places]
        names = [f"density {self.densities[place]:g}" for place in places]
        title = f"Features in two dimensions, importance {self.importances[self.importance]:g}ⁱ"
        figure, told = geometry.feature_vectors(shown, names, title)
        return figure, f"{told} The sliders need a running notebook."

    def _still(self) -> tuple[str, str]:
        return figure_html(self.picture()), self.summary
