"""AttentionExplorer: its state, what it sends, what it says where no widget can run, and what it refuses."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
import traitlets
from nbconvert import HTMLExporter

from course_utils import widgets
from course_utils.widgets import AttentionExplorer, attention

FOLDER = Path(attention.__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"
TOKENS = ["<s>", " cat", " sat", "\n", "<b>x</b>"]


def some_patterns(n_layers: int = 3, n_heads: int = 2, n_tokens: int = len(TOKENS)) -> np.ndarray:
    """Causal patterns whose rows sum to 1, every head different."""
    raw = np.tril(np.random.default_rng(0).random((n_layers, n_heads, n_tokens, n_tokens)) + 0.01)
    return raw / raw.sum(-1, keepdims=True)


@pytest.fixture
def view() -> AttentionExplorer:
    return AttentionExplorer(some_patterns(), TOKENS, titles={(1, 1): "previous token"}, head=(1, 1))


# ---- state ----


def test_the_state_is_what_the_caller_asked_for(view: AttentionExplorer) -> None:
    assert (view.layer, view.head, view.position, view.direction) == (1, 1, 4, "query")
    assert (view.n_layers, view.n_heads, view.tokens) == (3, 2, TOKENS)
    assert view.titles == {"L1H1": "previous token"}


def test_everything_that_the_view_renders_is_synced(view: AttentionExplorer) -> None:
    used = set(re.findall(r'model\.get\("(\w+)"\)', (FOLDER / "attention.js").read_text()))
    used |= {"layer", "head", "position", "direction"}
    assert {"_weights", "tokens", "titles"} <= used <= set(view.keys), used - set(view.keys)


def test_the_weights_arrive_exact_to_four_decimals_in_the_order_layer_head_query_key(
    view: AttentionExplorer,
) -> None:
    sent = np.frombuffer(view._weights, "<u2").reshape(3, 2, 5, 5) / attention.SCALE
    assert np.abs(sent - some_patterns()).max() < 1e-4
    assert (
        np.abs(sent.swapaxes(0, 1).reshape(3, 2, 5, 5) - some_patterns()).max() > 1e-2
    )  # the order does matter


def test_arrays_tensors_and_lists_of_layers_are_the_same() -> None:
    array = some_patterns()
    kinds = [array, torch.tensor(array), [torch.tensor(layer) for layer in array], array.tolist()]
    sent = [np.frombuffer(AttentionExplorer(kind, TOKENS)._weights, "<u2").astype(int) for kind in kinds]
    assert all(np.abs(one - sent[0]).max() <= 1 for one in sent)  # float32 may round the last bit differently
    assert AttentionExplorer(array[::-1], TOKENS)._weights != AttentionExplorer(array, TOKENS)._weights


@pytest.mark.parametrize(("name", "value"), [("layer", 3), ("head", 2), ("position", 5), ("layer", -1)])
def test_the_state_cannot_leave_what_exists(view: AttentionExplorer, name: str, value: int) -> None:
    before = getattr(view, name)
    with pytest.raises(traitlets.TraitError, match=f"{name}={value} does not exist"):
        setattr(view, name, value)
    assert getattr(view, name) == before
    setattr(view, name, 0)
    assert getattr(view, name) == 0


def test_direction_is_query_or_key(view: AttentionExplorer) -> None:
    view.direction = "key"
    with pytest.raises(traitlets.TraitError):
        view.direction = "both"
    assert view.direction == "key"


# ---- what it says ----


def test_the_summary_follows_head_position_and_direction() -> None:
    patterns = np.zeros((1, 2, 3, 3))
    patterns[0, 0, 2] = [0.25, 0.75, 0.0]
    patterns[0, 1, 2] = [0.0, 0.0, 1.0]
    view = AttentionExplorer(patterns, ["a", " b", "c"])
    assert view.summary == "L0H0: 'c' (2) attends to ' b' (1) 0.75, 'a' (0) 0.25."
    view.head = 1
    assert view.summary == "L0H1: 'c' (2) attends to 'c' (2) 1.00."
    view.head, view.direction, view.position = 0, "key", 1
    assert view.summary == "L0H0: ' b' (1) is attended to by 'c' (2) 0.75."
    view.position = 2
    assert view.summary == "L0H0: 'c' (2) is attended to by no token with 0.01 or more."


# ---- where no widget can run ----


def test_the_bundle_holds_the_widget_and_a_figure_of_the_chosen_head(view: AttentionExplorer) -> None:
    data, _ = view._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == view.model_id
    page = data["text/html"]
    assert page.startswith("<figure") and 'src="data:image/png;base64,' in page
    assert "L1H1: previous token" in re.findall(r'alt="([^"]*)"', page)[0]
    assert view.summary.split(":")[0] in data["text/plain"] and "<b>x</b>" not in page
    view.layer = 0
    assert "L0H1" in re.findall(r'alt="([^"]*)"', view._repr_mimebundle_()[0]["text/html"])[0]


def exported(view: AttentionExplorer, keep: set[str]) -> str:
    """The page that nbconvert makes of a cell that ends in the widget, with no widget state."""
    data = {kind: value for kind, value in view._repr_mimebundle_()[0].items() if kind in keep}
    output = nbformat.v4.new_output("execute_result", data, execution_count=1)
    cell = nbformat.v4.new_code_cell("view", execution_count=1, outputs=[output])
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    return page[page.index("<body") :]


def test_an_exported_page_shows_the_figure_with_its_caption(view: AttentionExplorer) -> None:
    page = exported(view, {WIDGET, "text/html", "text/plain"})
    assert "<figure" in page and "<figcaption" in page and WIDGET not in page
    assert "<figure" not in exported(view, {WIDGET, "text/plain"})  # the twin: without our HTML there is none


# ---- the JavaScript ----


def test_viridis_in_javascript_is_matplotlibs() -> None:
    import matplotlib

    text = (FOLDER / "attention.js").read_text()
    block = text[text.index("const VIRIDIS") :]
    codes = "".join(re.findall(r'"([0-9a-f]{60,})"', block[: block.index(";")]))
    numbers = [int(codes[i : i + 2], 16) for i in range(0, len(codes), 2)]
    want = matplotlib.colormaps["viridis"](np.linspace(0, 1, 33))[:, :3] * 255
    assert len(numbers) == 99 and np.abs(np.array(numbers).reshape(33, 3) - want).max() < 3


# ---- wrong input ----

WRONG = {
    "no layer axis": (
        lambda: AttentionExplorer(some_patterns()[0], TOKENS),
        r"\[layer head query key\].*\(2, 5, 5\)",
    ),
    "a batch axis": (lambda: AttentionExplorer(some_patterns()[None], TOKENS), "Select one prompt"),
    "other tokens": (lambda: AttentionExplorer(some_patterns(), TOKENS[1:]), "there are 4 tokens"),
    "scores": (lambda: AttentionExplorer(some_patterns() * 7, TOKENS), "before the softmax"),
    "nan": (lambda: AttentionExplorer(some_patterns() * np.nan, TOKENS), "nan or infinite"),
    "no such head": (
        lambda: AttentionExplorer(some_patterns(), TOKENS, head=(9, 0)),
        "L9H0 does not exist: .* 3 layers",
    ),
    "a name for a head": (
        lambda: AttentionExplorer(some_patterns(), TOKENS, head="L1H1"),
        r"pair \(layer, head\)",
    ),
    "a title for no head": (
        lambda: AttentionExplorer(some_patterns(), TOKENS, titles={(0, 5): "x"}),
        "L0H5 does not",
    ),
    "too many tokens": (lambda: AttentionExplorer(some_patterns(1, 1, 129), ["a"] * 129), "at most 128"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_one_error_that_says_what_came(name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_rows_that_do_not_sum_to_one_are_shown_as_they_are() -> None:
    assert AttentionExplorer(some_patterns() * 0.5, TOKENS).summary  # a masked key, or a mean over prompts


def test_all_names_the_widgets_that_exist() -> None:
    assert widgets.__all__ == [
        "AttentionExplorer",
        "CircuitBuilder",
        "FeatureDashboard",
        "PatchingExplorer",
        "ProbeExplorer",
        "SuperpositionExplorer",
        "ThresholdExplorer",
        "TraceViewer",
    ] and all(hasattr(widgets, name) for name in widgets.__all__)
