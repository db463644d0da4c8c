"""CircuitBuilder: its state, what it measures, what it says where no kernel runs, and what it refuses."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import traitlets

from course_utils.widgets import circuit
from course_utils.widgets.circuit import CircuitBuilder

FOLDER = Path(circuit.__file__).parent
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js; runs wherever `node` is")
WORTH = {(0, 0): 1.0, (0, 1): 2.0, (1, 0): 3.0, (1, 1): -2.0}


class Run:
    """A metric that adds up what its heads are worth, from 5, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, heads: set) -> float:
        self.calls += 1
        return 5 + sum(WORTH[head] for head in heads)


@pytest.fixture
def view() -> CircuitBuilder:
    return CircuitBuilder(Run(), n_layers=2, n_heads=2)


def test_all_heads_are_on_at_first(view):
    assert view.kept == ["L0H0", "L0H1", "L1H0", "L1H1"] and view.heads == set(WORTH)
    assert view.faithfulness == 1 and view.tried == 1


def test_switching_measures_with_the_formula_of_the_lesson(view):
    view.kept = ["L1H0"]
    assert view.faithfulness == pytest.approx(3 / 4)
    view.kept = ["L1H0", "L0H1", "L0H0"]
    assert view.faithfulness == pytest.approx(6 / 4), "not clipped: a circuit may beat the model"
    view.kept = []
    assert view.faithfulness == 0 and view.tried == 4


def test_a_circuit_that_was_tried_is_not_run_again(view):
    view.kept = ["L1H0"]
    calls = view._run.calls
    view.kept = []
    view.kept = ["L1H0"]
    assert view._run.calls == calls + 1 and view.tried == 3


def test_names_are_sorted_and_once_each_whatever_comes(view):
    view.kept = ["L1H1", "L0H0", "L1H1"]
    assert view.kept == ["L0H0", "L1H1"]
    ten = CircuitBuilder(lambda heads: float(len(heads)), 1, 12, kept=[(0, 10), (0, 2)])
    assert ten.kept == ["L0H2", "L0H10"]


def test_a_head_that_does_not_exist_is_refused_and_the_state_stays(view):
    with pytest.raises(traitlets.TraitError, match="'L2H0' does not exist"):
        view.kept = ["L2H0"]
    assert len(view.kept) == 4


def test_boards_without_sense_are_refused():
    with pytest.raises(ValueError, match="30 x 9 heads"):
        CircuitBuilder(Run(), 30, 9)
    with pytest.raises(ValueError, match="nothing to show"):
        CircuitBuilder(lambda heads: 2.0, 2, 2)


def test_everything_that_the_view_renders_is_synced(view):
    used = set(re.findall(r'model\.get\("(\w+)"\)', (FOLDER / "circuit.js").read_text()))
    assert {"kept", "faithfulness", "tried", "n_layers", "n_heads"} == used <= set(view.keys)


def test_without_a_front_end_there_is_a_figure_and_a_sentence(view):
    data, _ = view._repr_mimebundle_()
    assert "<img" in data["text/html"] and "alt=" in data["text/html"]
    assert data["text/plain"] == view.summary == "4 of 4 heads on: L0H0, L0H1, L1H0, L1H1. Faithfulness 1.00."


HARNESS = """
class Node {
  constructor(tag) {
    const style = { setProperty() {} };
    Object.assign(this, { tag, style, children: [], attributes: {}, on: {}, textContent: "" });
  }
  append(...parts) { this.children.push(...parts); }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  addEventListener(name, action) { this.on[name] = action; }
  focus() { focused = this; }
  all(test) { return [...(test(this) ? [this] : []), ...this.children.flatMap((c) => (c.all ? c.all(test) : []))]; }
}
let focused = null;
globalThis.document = { createElementNS: (_, tag) => new Node(tag) };
const model = { get: (n) => STATE[n], set: (n, v) => { STATE[n] = v; }, save_changes() {}, on() {}, off() {} };
const el = new Node("div");
view.render({ model, el });
const heads = el.all((n) => n.attributes.class === "circuit-head");
const head = (name) => heads.find((n) => n.textContent === name);
const status = () => el.all((n) => n.attributes.role === "status")[0].textContent;
const told = [status(), heads.map((n) => n.textContent)];
head("L0H1").on.click();
told.push(STATE.kept, head("L0H1").attributes["aria-pressed"]);
head("L0H0").on.keydown({ key: "ArrowUp", preventDefault() {}, stopPropagation() {} });
told.push(focused.textContent, heads.filter((n) => n.attributes.tabindex === "0").length);
told.push(heads.every((n) => n.tag === "button" && n.attributes["data-lm-suppress-shortcuts"] === "true"));
console.log(JSON.stringify(told));
"""


@needs_node
def test_clicks_and_arrow_keys_do_what_they_should_and_say_what_python_says(view, tmp_path):
    state = {name: getattr(view, name) for name in ("kept", "faithfulness", "tried", "n_layers", "n_heads")}
    source = CircuitBuilder._esm.replace("export default", "const view =")
    script = tmp_path / "run.mjs"
    script.write_text(f"const STATE = {json.dumps(state)};\n{source}\n{HARNESS}")
    ran = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    said, order, kept, pressed, focused, stops, native = json.loads(ran.stdout)
    assert said == view.summary and order == ["L1H0", "L1H1", "L0H0", "L0H1"], "the last layer on top"
    assert kept == ["L0H0", "L1H0", "L1H1"] and pressed == "false"
    assert (focused, stops, native) == ("L1H0", 1, True)
