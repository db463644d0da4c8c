r"""Formulas as pictures, for pages on which nothing may run: TeX as matplotlib draws it.

>>> picture(r"x_i \le 1")[:70]
'<img class="math" alt="$x_i \\le 1$" src="data:image/svg+xml;base64,PHN2'
>>> picture(r"\begin{align}x") is None      # what it does not know stays as it was typed
True

A picture's middle is the height of a minus sign above the line of text, so that `vertical-align: middle` puts it right.
Its words are the TeX, which a screen reader reads.
"""

import base64
import html
import re
import threading
from functools import lru_cache

__all__ = ["picture"]

MOST = 300
"""Characters of a formula. At this length the worst that was tried takes half a second."""
SIZE = 15.0
AXIS = 0.27 * SIZE  # half an x, where CSS has the middle of a line
WIDEST = 2_000
# What students type and matplotlib has by another name or not at all.
NAMES = {
    "le": "leq",
    "ge": "geq",
    "ne": "neq",
    "lVert": "Vert",
    "rVert": "Vert",
    "lvert": "vert",
    "rvert": "vert",
}
NAMES |= {"tfrac": "frac", "big": "", "Big": "", "bigg": "", "Bigg": ""}
_lock = threading.Lock()  # matplotlib's parser is one for all


@lru_cache(maxsize=5_000)
def picture(tex: str, mark: str = "$") -> str | None:
    """HTML of the formula; None if it is too long or has what matplotlib cannot draw. `mark` stood around it."""
    if len(tex) > MOST:
        return None
    try:
        with _lock:
            drawn = _svg(_in_other_words(tex))
    except Exception:  # its parser knows many ways to refuse
        return None
    data = base64.b64encode(drawn.encode()).decode()
    return f'<img class="math" alt="{html.escape(mark + tex.strip() + mark)}" src="data:image/svg+xml;base64,{data}">'


def _in_other_words(tex: str) -> str:
    tex = re.sub(r"\\([A-Za-z]+)", _named, tex.replace("$", r"\$"))
    return " ".join(re.sub(r"\\frac\s*(\w)\s*(\w)", r"\\frac{\1}{\2}", tex).split())


def _named(found: re.Match[str]) -> str:
    name = NAMES.get(found[1], found[1])
    return f"\\{name}" if name else ""


def _svg(tex: str) -> str:
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import text_to_path

    points, codes = text_to_path.get_text_path(FontProperties(size=SIZE), f"${tex}$", ismath=True)
    path = Path(points, codes)
    scale = SIZE / text_to_path.FONT_SCALE
    letters = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
    words = []
    for numbers, code in path.iter_segments(simplify=False):
        places = () if code == Path.CLOSEPOLY else numbers * scale
        words.append(letters[code] + " ".join(f"{-n if i % 2 else n:.2f}" for i, n in enumerate(places)))
    box = path.get_extents()
    left, right = min(0.0, box.x0 * scale), box.x1 * scale + 1
    half = max(box.y1 * scale - AXIS, AXIS - box.y0 * scale, 1.0) + 1
    if right - left > WIDEST or half > WIDEST:
        raise ValueError("too large")
    width, height = f"{right - left:.1f}", f"{2 * half:.1f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="{left:.1f} {-AXIS - half:.1f} {width} {height}"><path d="{"".join(words)}"/></svg>'
    )
