"""ProbeExplorer: its state, what it says, its fallback, its JavaScript, and what it refuses."""

import re
from pathlib import Path

import pytest
import traitlets

from course_utils.widgets import probe
from course_utils.widgets.probe import ProbeExplorer

FOLDER = Path(probe.__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"
RESULTS = {
    "truth": {"probe": [0.5, 0.7, 0.84], "majority": [0.5, 0.5, 0.5], "<b>x</b>": [0.4, 0.75, 0.6]},
    "syntax": {"probe": [0.5, 0.6, 0.9], "majority": [0.5, 0.5, 0.5]},
}
LAYERS = [0, 15, 30]


@pytest.fixture
def view() -> ProbeExplorer:
    return ProbeExplorer(RESULTS, LAYERS)


def test_everything_that_the_view_renders_is_synced(view: ProbeExplorer) -> None:
    used = set(re.findall(r'model\.get\("(\w+)"\)', (FOLDER / "probe.js").read_text()))
    assert used == {"results", "layers", "task", "layer"} <= set(view.keys)
    assert (view.task, view.layer) == ("truth", 15) and view.results == RESULTS


def test_the_summary_follows_task_and_layer_and_says_when_a_control_wins(view: ProbeExplorer) -> None:
    wanted = (
        "truth, layer 15: probe 0.70, majority 0.50, <b>x</b> 0.75. The probe is 0.05 below its best control."
    )
    assert view.summary == wanted
    view.layer = 30
    assert view.summary.endswith("The probe is 0.24 above its best control.")
    view.task = "syntax"
    assert (
        view.summary
        == "syntax, layer 30: probe 0.90, majority 0.50. The probe is 0.40 above its best control."
    )


@pytest.mark.parametrize(("name", "value"), [("layer", 7), ("task", "lies")])
def test_the_state_cannot_leave_what_exists(view: ProbeExplorer, name: str, value: object) -> None:
    before = getattr(view, name)
    with pytest.raises(traitlets.TraitError, match="does not exist"):
        setattr(view, name, value)
    assert getattr(view, name) == before


def test_the_bundle_holds_the_widget_and_a_figure_of_the_chosen_task(view: ProbeExplorer) -> None:
    view.task = "syntax"
    data, _ = view._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == view.model_id
    assert data["text/html"].startswith("<figure") and "Probing syntax" in data["text/html"]
    assert data["text/plain"] == view.summary and "<b>x</b>" not in data["text/html"]


def test_task_and_layer_are_native_controls() -> None:
    script = (FOLDER / "probe.js").read_text()
    assert 'type: "range"' in script and 'node("select")' in script and 'role: "status"' in script


WRONG = {
    "no results": (({}, LAYERS), "should map each task"),
    "no control": (({"truth": {"probe": [0.5, 0.6, 0.7]}}, LAYERS), "at least one control"),
    "another length": (({"truth": {"probe": [0.5], "majority": [0.5]}}, LAYERS), r"\(3,\)"),
    "percentages": (
        ({"truth": {"probe": [50, 60, 70], "majority": [50, 50, 50]}}, LAYERS),
        "not a percentage",
    ),
    "layers out of order": ((RESULTS, [15, 0, 30]), "rising order"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_one_error_that_says_what_came(name: str) -> None:
    arguments, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        ProbeExplorer(*arguments)
