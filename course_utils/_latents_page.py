"""A latent's page where no widget can run: a histogram and the chosen examples as plain HTML."""

import html
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from course_utils._drawing import COLOURS, canvas, visible
from course_utils._latents import BANDS

__all__ = ["page_html", "page_picture"]


def page_picture(page: dict[str, Any]) -> Figure:
    """The histogram of the latent's activations where it fires."""
    share = 100 * page["fires"] / max(page["of"], 1)
    name = f"Latent {page['latent']}" + (f": {page['note']}" if page.get("note") else "")
    figure, axes = canvas(f"{name} (fires on {share:.2g} % of tokens)", 6.4, 2.3)
    edges = np.array(page["edges"])
    axes.bar(
        edges[:-1], page["counts"], np.diff(edges), align="edge", color=COLOURS[0], edgecolor="white", lw=0.4
    )
    axes.set_xlabel("activation, where it is not 0")
    axes.set_ylabel("tokens")
    return figure


def page_html(page: dict[str, Any], band: int) -> str:
    """The examples of one band, firing tokens underlined the thicker the stronger, and the tokens written."""
    top = page["largest"] or 1.0
    lines = [f"<p style='margin:2px 0'>{_example(example, top)}</p>" for example in page["bands"][band]]
    words = ", ".join(f"{html.escape(repr(word))} {logit:+.2f}" for word, logit in page["promoted"])
    fewer = ", ".join(f"{html.escape(repr(word))} {logit:+.2f}" for word, logit in page["suppressed"])
    return (
        f"<p style='margin:8px 0 4px'><b>Examples ({BANDS[band]})</b>: thicker underline, stronger firing.</p>"
        f"{''.join(lines)}<p style='margin:8px 0 2px'><b>Logits raised most</b>: {words}</p>"
        f"<p style='margin:0'><b>Logits lowered most</b>: {fewer}</p>"
    )


def _example(example: dict[str, Any], top: float) -> str:
    parts = []
    for place, (token, value) in enumerate(zip(example["tokens"], example["values"], strict=True)):
        shown = html.escape(token.replace("\n", "↵"))
        if value > 0:
            width = 1 + round(3 * value / top)
            weight = ";font-weight:bold" if place == example["peak"] else ""
            shown = f"<span style='border-bottom:{width}px solid {COLOURS[0]}{weight}'>{shown}</span>"
        parts.append(shown)
    before, after = ("…" if cut else "" for cut in example["cut"])
    return before + "".join(parts) + after + f" <small>({html.escape(visible(example['source']))})</small>"
