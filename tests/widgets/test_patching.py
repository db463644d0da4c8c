"""PatchingExplorer: its state, what it says, its picture where no widget can run, and what it refuses."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import traitlets

from course_utils.widgets import PatchingExplorer, patching

FOLDER = Path(patching.__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"


def some(**changes: Any) -> PatchingExplorer:
    given: dict[str, Any] = {
        "effect": [[0.9, 0.0, -0.1], [0.2, 0.0, 0.8]],
        "rows": ["layer 0", "layer 1"],
        "columns": ["1 giver", "2 gave", "3 to"],
        "answers": [" Lucy", " Mary"],
        "clean": [0.7, 0.1],
        "corrupted": [0.1, 0.6],
        "patched": np.linspace(0, 1, 12).reshape(2, 3, 2),
    }
    return PatchingExplorer(**{**given, **changes})


def test_it_opens_at_the_largest_effect_and_says_it() -> None:
    view = some()
    assert (view.row, view.column) == (0, 0)
    assert (
        view.summary == "layer 0, 1 giver: effect 0.90. P(' Lucy'): clean 0.70, corrupted 0.10, patched 0.00."
    )
    view.row, view.column = 1, 2
    assert view.summary == "layer 1, 3 to: effect 0.80. P(' Lucy'): clean 0.70, corrupted 0.10, patched 0.91."


def test_arrays_tensors_and_lists_are_the_same() -> None:
    effect = [[0.5, 0.25, 0.0], [0.0, 0.0, 1.0]]
    views = [some(effect=kind) for kind in (effect, np.array(effect), torch.tensor(effect))]
    assert all(view.effect == effect for view in views)


def test_everything_that_the_view_renders_is_synced() -> None:
    view, script = some(), (FOLDER / "patching.js").read_text()
    block = script[script.index("for (const name of [") :]
    used = set(re.findall(r'"(\w+)"', block[: block.index("]")])) | {"row", "column"}
    assert {"effect", "patched", "answers", "label"} <= used <= set(view.keys), used - set(view.keys)


@pytest.mark.parametrize(("name", "value"), [("row", 2), ("column", 3), ("row", -1)])
def test_the_state_cannot_leave_what_exists(name: str, value: int) -> None:
    view = some()
    with pytest.raises(traitlets.TraitError, match=f"{name}={value} does not exist"):
        setattr(view, name, value)


def test_the_bundle_holds_the_widget_and_a_figure() -> None:
    data, _ = some()._repr_mimebundle_() or ({}, {})
    assert WIDGET in data and data["text/html"].startswith("<figure")
    assert re.findall(r'alt="([^"]*)"', data["text/html"])[0] and "effect 0.90" in data["text/plain"]


def test_the_colours_in_javascript_are_matplotlibs() -> None:
    import matplotlib

    text = (FOLDER / "patching.js").read_text()
    block = text[text.index("const RDBU") :]
    codes = re.findall(r"\b[0-9a-f]{6}\b", block[: block.index(";")])
    found = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in codes])
    want = matplotlib.colormaps["RdBu_r"](np.linspace(0, 1, 17))[:, :3] * 255
    assert found.shape == (17, 3) and np.abs(found - want).max() < 3


WRONG = {
    "a missing row": (lambda: some(rows=["layer 0"]), "effect"),
    "a missing answer": (lambda: some(clean=[0.7]), "clean"),
    "logits": (lambda: some(corrupted=[3.0, -1.0]), "should hold probabilities"),
    "no answer": (
        lambda: some(answers=[], clean=[], corrupted=[], patched=np.zeros((2, 3, 0))),
        "at least one",
    ),
    "nan": (lambda: some(effect=np.full((2, 3), np.nan)), "nan"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_one_error_that_says_what_came(name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()
