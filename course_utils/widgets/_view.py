"""What all views have in common: `_view.js` before their script, and a picture where no widget can run."""

from pathlib import Path
from typing import Any

import anywidget

from course_utils._drawing import Picture, figure_html

__all__ = ["View", "script"]


def script(file: str) -> str:
    """The JavaScript module of the view in that Python file: `_view.js`, then the script that stands beside the file.

    >>> _esm = script(__file__)
    """
    return "".join(Path(path).with_suffix(".js").read_text(encoding="utf-8") for path in (__file__, file))


class View(anywidget.AnyWidget):
    """A widget with a `picture`, shown as it is where nothing can be clicked."""

    def picture(self) -> Picture:
        """What the view shows now, as a figure and a sentence."""
        raise NotImplementedError

    def _still(self) -> tuple[str, str]:
        """HTML and plain text for front ends that run no widgets."""
        picture = self.picture()
        return figure_html(picture), picture[1]

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The widget for front ends that run it, with a figure and a sentence for all others."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        html, text = self._still()
        return {**data, "text/html": html, "text/plain": text}, metadata
