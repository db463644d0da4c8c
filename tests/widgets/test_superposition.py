"""SuperpositionExplorer: its state, what it sends, what it says where no widget can run, and what it refuses."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import numpy as np
import pytest
import traitlets
from nbconvert import HTMLExporter

from course_utils.widgets import superposition
from course_utils.widgets.superposition import SuperpositionExplorer

FOLDER = Path(superposition.__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"
DENSITIES, IMPORTANCES = [1.0, 0.2, 0.05], [1.0, 0.7]
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js; runs wherever `node` is")


def some_vectors(features: int = 5) -> np.ndarray:
    """[importance density feature 2]: at density place p, features up to 2 + p have length 1, the rest 0.1."""
    rng = np.random.default_rng(0)
    W = rng.normal(size=(2, 3, features, 2))
    W /= np.linalg.norm(W, axis=-1, keepdims=True)
    long = np.arange(features) < 2 + np.arange(3)[:, None]
    return W * np.where(long, 1.0, 0.1)[None, :, :, None]


@pytest.fixture
def view() -> SuperpositionExplorer:
    return SuperpositionExplorer(some_vectors(), DENSITIES, IMPORTANCES, density=1, importance=1)


# ---- state ----


def test_the_state_is_what_the_caller_asked_for(view: SuperpositionExplorer) -> None:
    assert (view.density, view.importance, view.n_features) == (1, 1, 5)
    assert (view.densities, view.importances) == (DENSITIES, IMPORTANCES)


def test_everything_that_the_view_renders_is_synced(view: SuperpositionExplorer) -> None:
    used = set(re.findall(r'model\.get\("(\w+)"\)', (FOLDER / "superposition.js").read_text()))
    assert {"_vectors", "density", "importance", "densities"} <= used <= set(view.keys), used - set(view.keys)


def test_the_vectors_arrive_turned_in_the_order_importance_density_feature(
    view: SuperpositionExplorer,
) -> None:
    sent = np.frombuffer(view._vectors, "<f4").reshape(2, 3, 5, 2)
    assert np.allclose(np.linalg.norm(sent, axis=-1), np.linalg.norm(some_vectors(), axis=-1), atol=1e-6)
    assert np.allclose(sent[:, :, 0, 0], 0, atol=1e-6) and (sent[:, :, 0, 1] > 0).all()
    assert np.allclose(sent[1, 1], view.chosen, atol=1e-6) and not np.allclose(sent[0, 1], view.chosen)


@pytest.mark.parametrize(("name", "value"), [("density", 3), ("importance", 2), ("density", -1)])
def test_the_state_cannot_leave_what_exists(view: SuperpositionExplorer, name: str, value: int) -> None:
    with pytest.raises(traitlets.TraitError, match=f"{name}={value} does not exist"):
        setattr(view, name, value)
    assert getattr(view, name) == 1
    setattr(view, name, 0)
    assert getattr(view, name) == 0


# ---- what it says ----


def test_the_summary_follows_the_sliders(view: SuperpositionExplorer) -> None:
    assert view.summary == "Density 0.2, importance 0.7ⁱ: 3 of 5 features are represented: 0, 1, 2."
    view.density, view.importance = 2, 0
    assert view.summary == "Density 0.05, importance 1ⁱ: 4 of 5 features are represented: 0, 1, 2, 3."


def test_nothing_represented_is_said_without_a_list() -> None:
    assert SuperpositionExplorer(some_vectors() * 0.1, DENSITIES, IMPORTANCES).summary.endswith(
        "0 of 5 features are represented."
    )


# ---- where no widget can run ----


def test_the_bundle_holds_the_widget_and_a_figure_of_the_chosen_importance(
    view: SuperpositionExplorer,
) -> None:
    data, _ = view._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == view.model_id
    assert data["text/html"].startswith("<figure") and data["text/plain"] == view.summary
    assert "importance 0.7ⁱ" in re.findall(r'alt="([^"]*)"', data["text/html"])[0]
    view.importance = 0
    assert "importance 1ⁱ" in re.findall(r'alt="([^"]*)"', view._repr_mimebundle_()[0]["text/html"])[0]


def exported(view: SuperpositionExplorer, keep: set[str]) -> str:
    """The page that nbconvert makes of a cell that ends in the widget, with no widget state."""
    data = {kind: value for kind, value in view._repr_mimebundle_()[0].items() if kind in keep}
    output = nbformat.v4.new_output("execute_result", data, execution_count=1)
    cell = nbformat.v4.new_code_cell("view", execution_count=1, outputs=[output])
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    return page[page.index("<body") :]


def test_an_exported_page_shows_the_figure_with_its_caption(view: SuperpositionExplorer) -> None:
    page = exported(view, {WIDGET, "text/html", "text/plain"})
    assert "<figure" in page and "<figcaption" in page and WIDGET not in page
    assert "<figure" not in exported(view, {WIDGET, "text/plain"})  # the twin: without our HTML there is none


# ---- the JavaScript ----

HARNESS = """
const listeners = {};
class Node {
  constructor(tag) {
    Object.assign(this, { tag, children: [], attributes: {}, style: {}, on: {}, textContent: "" });
  }
  get tBodies() { return this.children.filter((c) => c.tag === "tbody"); }
  append(...parts) { this.children.push(...parts); }
  replaceChildren(...parts) { this.children = parts; }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  addEventListener(name, action) { this.on[name] = action; }
  all(test) { return [...(test(this) ? [this] : []), ...this.children.flatMap((c) => (c.all ? c.all(test) : []))]; }
}
globalThis.document = { createElementNS: (_, tag) => new Node(tag) };
const bytes = Uint8Array.from(STATE._vectors);
STATE._vectors = new DataView(bytes.buffer);
const model = {
  get: (name) => STATE[name], set: (name, value) => { STATE[name] = value; }, save_changes: () => {},
  on: (names, action) => { listeners.update = action; }, off: () => {},
};
const el = new Node("div");
view.render({ model, el });
const found = (test) => el.all(test);
const status = () => found((n) => n.attributes.role === "status")[0].textContent;
const arrows = () => found((n) => (n.attributes.class || "") === "super-arrow").length;
const inputs = found((n) => n.attributes.type === "range");
const told = [[status(), arrows()]];
inputs[0].value = "2";
inputs[0].on.input();
told.push([status(), arrows()]);
inputs[1].value = "0";
inputs[1].on.input();
told.push([status(), arrows(), STATE.density, STATE.importance, inputs.map((n) => n.attributes["aria-valuetext"])]);
console.log(JSON.stringify(told));
"""


@needs_node
def test_moving_a_slider_redraws_and_says_what_python_says(
    view: SuperpositionExplorer, tmp_path: Path
) -> None:
    state = {name: getattr(view, name) for name in ("density", "importance", "densities", "importances")}
    state |= {"n_features": view.n_features, "_vectors": list(view._vectors)}
    source = SuperpositionExplorer._esm.replace("export default", "const view =")
    script = tmp_path / "run.mjs"
    script.write_text(f"const STATE = {json.dumps(state)};\n{source}\n{HARNESS}")
    ran = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    first, second, third = json.loads(ran.stdout)
    assert first == [view.summary, 3]
    view.density = 2
    assert second == [view.summary, 4]
    view.importance = 0
    assert third == [view.summary, 4, 2, 0, ["0.05", "1ⁱ"]]


def test_the_sliders_are_native_inputs_with_labels() -> None:
    script = (FOLDER / "superposition.js").read_text()
    assert 'type: "range"' in script and "for: id" in script and '"aria-valuetext"' in script


def test_viridis_in_javascript_is_matplotlibs() -> None:
    import matplotlib

    codes = re.findall(r'"([0-9a-f]{72})"', (FOLDER / "superposition.js").read_text())[0]
    numbers = np.array([int(codes[i : i + 2], 16) for i in range(0, len(codes), 2)]).reshape(12, 3)
    want = matplotlib.colormaps["viridis"](np.linspace(0, 0.86, 12))[:, :3] * 255
    assert np.abs(numbers - want).max() < 3


def test_short_means_the_same_in_both_languages() -> None:
    script = (FOLDER / "superposition.js").read_text()
    assert f"const SHORT = {superposition.SHORT};" in script


# ---- wrong input ----

WRONG = {
    "one solution": (
        lambda: SuperpositionExplorer(some_vectors()[0], DENSITIES, IMPORTANCES),
        r"\(3, 5, 2\)",
    ),
    "axes swapped": (
        lambda: SuperpositionExplorer(some_vectors().swapaxes(0, 1), DENSITIES, IMPORTANCES),
        "2 importances, 3 densities",
    ),
    "three dimensions": (
        lambda: SuperpositionExplorer(np.ones((2, 3, 5, 3)), DENSITIES, IMPORTANCES),
        r"\(2, 3, 5, 3\)",
    ),
    "too many features": (
        lambda: SuperpositionExplorer(some_vectors(13), DENSITIES, IMPORTANCES),
        "at most 12 features",
    ),
    "nan": (
        lambda: SuperpositionExplorer(some_vectors() * np.nan, DENSITIES, IMPORTANCES),
        "nan or infinite",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_one_error_that_says_what_came(name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()
